import "../styles.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { PairPage } from "./page";

const root = document.getElementById("root");
if (!root) throw new Error("pair.html has no #root");

createRoot(root).render(
  <StrictMode>
    <PairPage />
  </StrictMode>,
);
