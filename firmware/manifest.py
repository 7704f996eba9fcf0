# ruff: noqa: F821 - the words of the manifest language
# How the hub is frozen into a firmware image of its own (MicroPython's manifest language, not a Python module):
#
#     make -C ports/esp32 BOARD=ESP32_GENERIC_S3 BOARD_VARIANT=SPIRAM_OCT FROZEN_MANIFEST=<this file>
#
# Frozen code costs no heap. Not needed on a board with external memory: there compiled files on the flash do.
include("$(PORT_DIR)/boards/manifest.py")

require("umqtt.robust")

package("hub", base_path=".")
package("lib", base_path=".")
package("shared_protocol", base_path="..")
module("main.py", base_path=".")
module("boot.py", base_path=".")
