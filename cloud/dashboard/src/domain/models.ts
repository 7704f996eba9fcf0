/** Names of printer models by the code a printer announces; `cloud/catalog/models.py` is the source, a test compares. */
export const MODEL_NAMES: Record<string, string> = {
  "BL-P001": "X1 Carbon",
  "BL-P002": "X1",
  C13: "X1E",
  C11: "P1P",
  C12: "P1S",
  N1: "A1 mini",
  N2S: "A1",
  N9: "A2L",
  N7: "P2S",
  N6: "X2D",
  O1D: "H2D",
  O1E: "H2D Pro",
  O2D: "H2D Pro",
  O1C: "H2C",
  O1C2: "H2C",
  O1S: "H2S",
};

export const modelName = (code: string | null | undefined): string =>
  code ? (MODEL_NAMES[code] ?? code) : "Unknown model";
