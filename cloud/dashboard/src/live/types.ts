/** The live views of printers and jobs, as `/api/v1/ws` sends them. An absent key is unknown. */

export type LinkState =
  | "connecting"
  | "online"
  | "offline"
  | "auth_failed"
  | "wrong_serial"
  | "cert_changed"
  | "off";
export type PrinterState =
  | "idle"
  | "prepare"
  | "slicing"
  | "running"
  | "pause"
  | "finish"
  | "failed"
  | "init"
  | "unknown";
export type JobStatus =
  | "queued"
  | "assigned"
  | "uploading"
  | "starting"
  | "printing"
  | "paused"
  | "completed"
  | "failed"
  | "cancelled";

export interface Tray {
  /** AMS unit * 4 + slot; 128 and up an AMS HT; 254 and 255 the external spools. */
  id: number;
  loaded: boolean;
  type: string;
  /** `#RRGGBB`, empty when unknown. */
  color: string;
  profile?: string;
  name?: string;
  /** Percent, -1 when unknown. */
  remain?: number;
  min?: number;
  max?: number;
}

export interface AmsUnit {
  id: number;
  kind?: string;
  /** 1 (wet) to 5 (dry), as the printer grades it. */
  humidity?: number;
  temp?: number;
}

/** What the printer itself reports: `shared_protocol/status.py`. Percent, seconds, °C, millimetres. */
export interface PrinterStatus {
  link?: LinkState;
  problem?: string;
  cert?: string;
  /** The printer's own code of its model, "C12"; the cloud puts the model's name in its place. */
  model?: string;
  firmware?: string;
  control?: "ok" | "locked" | "unknown";
  state?: PrinterState;
  stage?: number;
  percent?: number;
  remaining?: number;
  layer?: number;
  layers?: number;
  file?: string;
  task?: string;
  task_id?: string;
  error?: number;
  hms?: { attr: number; code: number }[];
  skipped?: number[];
  nozzle?: number;
  nozzle_target?: number;
  bed?: number;
  bed_target?: number;
  chamber?: number;
  fan_part?: number;
  fan_aux?: number;
  fan_chamber?: number;
  /** 1 silent, 2 standard, 3 sport, 4 ludicrous. */
  speed?: number;
  light?: boolean;
  wifi?: number;
  nozzle_diameter?: number;
  nozzle_type?: string;
  storage?: "none" | "ok" | "abnormal" | "readonly" | "unknown";
  ams?: AmsUnit[];
  trays?: Tray[];
  /** The tray in use, 255 for none. */
  tray?: number;
}

/** The job on a printer, inside the printer's view. */
export interface PrinterJob {
  id: string;
  file_name: string;
  plate?: number;
  status: JobStatus;
  progress?: number | null;
  remaining?: number | null;
  layer?: number | null;
  layers?: number | null;
  upload_percent?: number | null;
  cancel_requested?: boolean;
  thumbnail?: string | null;
}

export interface PrinterView extends PrinterStatus {
  id: string;
  name: string;
  hub_id?: string;
  hub?: "online" | "offline";
  /** When the printer's hub last told something, ISO 8601 UTC. */
  seen_at?: string;
  cleared?: boolean;
  /** False: a person disconnected it. */
  connect?: boolean;
  job?: PrinterJob | null;
  /** The number of the printer within its farm. */
  printer_id?: number;
  is_active?: boolean;
  /** A printer in maintenance, or disabled, gets no job; one that is on it goes on. */
  in_maintenance?: boolean;
  maintenance_type?: string;
  maintenance_reason?: string;
  /** Jobs that failed because of the printer since one was completed. */
  consecutive_failures?: number;
  disabled_reason?: string;
  disabled_at?: string;
  nozzle_size?: number;
  sort_order?: number;
  location?: string;
}

/** What of a job changes while people watch it. */
export interface JobView {
  id: string;
  print_file_id?: string | null;
  file_name?: string;
  plate?: number;
  status: JobStatus;
  target_printer_id?: string | null;
  printer_id?: string | null;
  priority?: number;
  rank?: number;
  attempt?: number;
  held?: boolean;
  cancel_requested?: boolean;
  thumbnail?: string | null;
  estimated_seconds?: number | null;
  progress_percentage?: number | null;
  remaining_seconds?: number | null;
  layer?: number | null;
  layers?: number | null;
  upload_percent?: number | null;
  waiting_reason?: string | null;
  failure_reason?: string | null;
  time_submitted?: string | null;
  time_started?: string | null;
  time_completed?: string | null;
}

export type Changes = Record<string, unknown>;
export type ServerMessage =
  | {
      type: "snapshot";
      seq: number;
      printers: Record<string, PrinterView>;
      jobs?: Record<string, JobView>;
    }
  | {
      type: "delta";
      seq: number;
      printers?: Record<string, Changes | null>;
      jobs?: Record<string, Changes | null>;
      hubs?: Record<string, Changes | null>;
    }
  | { type: "pong" }
  | { type: "error"; code?: string; message?: string };
