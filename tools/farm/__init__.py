"""A whole farm on this machine: cloud, hubs and virtual printers as real processes (demo, tests, benches)."""
