// Drives the official Improv serial client against whatever is at a TCP port of this machine, and prints what it saw as
// one JSON object. Runs in the folder that has the client in its node_modules.
//
//   node improv_serial.mjs PORT
import { registerHooks } from "node:module";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { pathToFileURL } from "node:url";

// The client is made for bundlers: its modules are not marked as such, and it names some without their ending.
registerHooks({
  resolve(name, context, next) {
    try {
      return next(name, context);
    } catch (error) {
      if (name.startsWith(".")) return next(`${name}.js`, context);
      throw error;
    }
  },
  load: (url, context, next) =>
    next(url, url.includes("improv-wifi-serial-sdk") ? { ...context, format: "module" } : context),
});

const client = pathToFileURL(`${process.cwd()}/node_modules/improv-wifi-serial-sdk/dist/serial.js`);
const { ImprovSerial } = await import(client);

const socket = connect(Number(process.argv[2]), "127.0.0.1");
const { readable, writable } = Duplex.toWeb(socket);
const quiet = { log: () => undefined, debug: () => undefined, error: console.error };
const improv = new ImprovSerial({ readable, writable }, quiet);
const seen = {};
seen.info = await improv.initialize(10_000);
seen.networks = await improv.scan(4000);
// Its answer has the length of a line feed, on which this client stumbles.
seen.hostname = await improv.setHostname("shelf-1");
seen.wrong = await improv.provision("Farm", "mistyped").then(
  () => "",
  (error) => String(error),
);
seen.state = improv.state;
await improv.provision("Farm", "secret123");
seen.url = improv.nextUrl;
await improv.requestCurrentState();
seen.again = improv.nextUrl;
console.log(JSON.stringify(seen));
process.exit(0);
