import { Component, type ReactNode } from "react";
import { Failed } from "./feedback";

/** A page that breaks leaves the rest standing, and can be tried again. A chunk of an older build reloads the page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  #retry = () => {
    const stale = this.state.error instanceof TypeError && /import/i.test(this.state.error.message);
    if (stale) window.location.reload();
    else this.setState({ error: null });
  };

  override render() {
    if (this.state.error === null) return this.props.children;
    return <Failed error={this.state.error} onRetry={this.#retry} />;
  }
}
