/** A nozzle over three printed layers. */
export function Logo({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden>
      <rect width="32" height="32" rx="8" className="fill-[#123238] dark:fill-[#1d4a52]" />
      <path d="M12.5 5h7v4.2l-2.2 3h-2.6l-2.2-3z" fill="#f3b44a" />
      <g fill="none" stroke="#f6f4ee" strokeWidth="2.6" strokeLinecap="round">
        <path d="M13 16.5h6" />
        <path d="M10.5 21.2h11" />
        <path d="M8 25.9h16" />
      </g>
    </svg>
  );
}
