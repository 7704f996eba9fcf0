import { useQuery } from "@tanstack/react-query";
import { Compass, LoaderCircle } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { isSignedOut } from "./api/errors";
import { meQuery, queryClient } from "./api/queries";
import { keepSession } from "./api/session";
import type { User } from "./api/types";
import { socket, useLink } from "./live/live";
import { Layout } from "./shell/layout";
import { ErrorBoundary } from "./ui/boundary";
import { Empty, Failed } from "./ui/feedback";

const Login = lazy(() => import("./pages/login"));
const Setup = lazy(() => import("./pages/setup"));
const Forgot = lazy(() => import("./pages/forgot"));
const Reset = lazy(() => import("./pages/reset"));
const Signup = lazy(() => import("./pages/signup"));
const Invite = lazy(() => import("./pages/invite"));
const Printers = lazy(() => import("./pages/printers/page"));
const Files = lazy(() => import("./pages/files/page"));
const Jobs = lazy(() => import("./pages/jobs/page"));
const Hubs = lazy(() => import("./pages/hubs/page"));
const Products = lazy(() => import("./pages/products/page"));
const Settings = lazy(() => import("./pages/settings/page"));

const Waiting = () => (
  <div className="grid min-h-[60dvh] place-items-center text-ink-faint">
    <LoaderCircle aria-label="Loading" className="size-7 animate-spin" />
  </div>
);

/** The pairing page is an entry of its own: the server gives it. */
function Pairing() {
  useEffect(() => window.location.reload(), []);
  return <Waiting />;
}

const Lost = () => (
  <Empty icon={Compass} title="Nothing is here" main>
    The address may be old. The menu leads back.
  </Empty>
);

/** The pages of who is signed in, and the live connection they all show. */
function Inside({ user }: { user: User }) {
  const link = useLink();
  useEffect(() => {
    const letGo = keepSession();
    socket.start();
    return () => {
      socket.stop();
      letGo();
    };
  }, []);
  useEffect(() => {
    if (link.phase === "signed_out") void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
  }, [link.phase]);

  return (
    <Layout user={user}>
      <ErrorBoundary>
        <Suspense fallback={<Waiting />}>
          <Switch>
            <Route path="/" component={Printers} />
            <Route path="/printers/:id" component={Printers} />
            <Route path="/jobs" component={Jobs} />
            <Route path="/jobs/:id" component={Jobs} />
            <Route path="/files" component={Files} />
            <Route path="/files/:id" component={Files} />
            <Route path="/hubs" component={Hubs} />
            <Route path="/hubs/:id" component={Hubs} />
            <Route path="/products" component={Products} />
            <Route path="/products/:id" component={Products} />
            <Route path="/settings" component={Settings} />
            <Route path="/settings/:part" component={Settings} />
            <Route component={Lost} />
          </Switch>
        </Suspense>
      </ErrorBoundary>
    </Layout>
  );
}

function Gate() {
  const me = useQuery(meQuery);
  const [path] = useLocation();
  if (me.data && !isSignedOut(me.error)) return <Inside user={me.data} />;
  if (isSignedOut(me.error))
    return <Redirect to={`/login${path === "/" ? "" : `?next=${encodeURIComponent(path)}`}`} />;
  if (me.error) return <Failed error={me.error} onRetry={() => void me.refetch()} />;
  return <Waiting />;
}

export function App() {
  return (
    <Suspense fallback={<Waiting />}>
      <Switch>
        <Route path="/login" component={Login} />
        <Route path="/setup" component={Setup} />
        <Route path="/forgot" component={Forgot} />
        <Route path="/reset" component={Reset} />
        <Route path="/p" component={Pairing} />
        <Route path="/signup" component={Signup} />
        <Route path="/invite" component={Invite} />
        <Route component={Gate} />
      </Switch>
    </Suspense>
  );
}
