/** The hub over Web Bluetooth: the pairing service of shared_protocol/pairing.py. */

import { joined, MAX_BOX } from "./box";
import { airName, type Bytes } from "./label";
import { type Channel, type Info, PairingError } from "./pairing";

const SERVICE = "7f5a0001-5046-4b1d-9c3e-2a6f8d4e1b70";
const INFO = "7f5a0002-5046-4b1d-9c3e-2a6f8d4e1b70";
const IN = "7f5a0003-5046-4b1d-9c3e-2a6f8d4e1b70";
const OUT = "7f5a0004-5046-4b1d-9c3e-2a6f8d4e1b70";

/** Bytes of a write: within one packet of what phones agree on. */
const PIECE = 160;
const CONNECT_TRIES = 3;

// The part of Web Bluetooth that is used; TypeScript's own library does not know it.
interface Characteristic extends EventTarget {
  readValue(): Promise<DataView<ArrayBuffer>>;
  writeValueWithResponse(value: Bytes): Promise<void>;
  startNotifications(): Promise<Characteristic>;
}
interface Service {
  getCharacteristic(uuid: string): Promise<Characteristic>;
}
interface Gatt {
  connected: boolean;
  connect(): Promise<{ getPrimaryService(uuid: string): Promise<Service> }>;
  disconnect(): void;
}
interface Device {
  gatt: Gatt;
}
interface Bluetooth {
  requestDevice(options: { filters: object[]; optionalServices: string[] }): Promise<Device>;
  getAvailability(): Promise<boolean>;
}

const bluetooth = (): Bluetooth | undefined => (navigator as { bluetooth?: Bluetooth }).bluetooth;

/** Whether this browser could speak to a hub by itself, were its Bluetooth on. */
export const hasRadio = (): boolean => bluetooth() !== undefined;

const isOn = async (): Promise<boolean> =>
  (await bluetooth()
    ?.getAvailability()
    .catch(() => true)) ?? false;

const bytes = (view: DataView<ArrayBuffer>): Bytes =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

interface Open {
  info: Characteristic;
  in: Characteristic;
  out: Characteristic;
}

export class Radio implements Channel {
  #open: Open | null = null;
  #hint: () => void = () => undefined;

  private constructor(private readonly device: Device) {}

  /** The browser's own list of hubs in range; must follow a tap. Null when the person closed it. */
  static async choose(device: string): Promise<Radio | null> {
    // Its advertisement has room for one service, which is Improv's; its name comes with the answer to a scan.
    const filters = [{ namePrefix: airName(device) }, { namePrefix: "PrintFarm-" }];
    try {
      const found = await bluetooth()?.requestDevice({ filters, optionalServices: [SERVICE] });
      return found ? new Radio(found) : null;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
      // Closed by the person, unless there was nothing to choose with.
      if (await isOn()) return null;
      throw new PairingError("no_bluetooth");
    }
  }

  async info(): Promise<Info> {
    const { info } = await this.#opened();
    return JSON.parse(new TextDecoder().decode(await info.readValue())) as Info;
  }

  async deliver(box: Bytes): Promise<void> {
    if (box.length > MAX_BOX) throw new Error("The network's name and password are too long.");
    const { in: writable } = await this.#opened();
    for (let offset = 0; offset < box.length; offset += PIECE) {
      const head = Uint8Array.of(offset >> 8, offset & 255, box.length >> 8, box.length & 255);
      await writable.writeValueWithResponse(joined(head, box.slice(offset, offset + PIECE)));
    }
  }

  async reply(): Promise<Bytes> {
    return bytes(await (await this.#opened()).out.readValue());
  }

  onHint(hint: () => void): void {
    this.#hint = hint;
  }

  close(): void {
    this.device.gatt.disconnect();
    this.#open = null;
  }

  async #opened(): Promise<Open> {
    if (this.#open && this.device.gatt.connected) return this.#open;
    for (let left = CONNECT_TRIES - 1; ; left--) {
      try {
        this.#open = await this.#connect();
        return this.#open;
      } catch (error) {
        if (left <= 0) throw error;
      }
    }
  }

  async #connect(): Promise<Open> {
    const service = await (await this.device.gatt.connect()).getPrimaryService(SERVICE);
    const open = {
      info: await service.getCharacteristic(INFO),
      in: await service.getCharacteristic(IN),
      out: await service.getCharacteristic(OUT),
    };
    open.out.addEventListener("characteristicvaluechanged", () => this.#hint());
    // Only a hint to read sooner: where it does not work, asking again and again does.
    await open.out.startNotifications().catch(() => undefined);
    return open;
  }
}
