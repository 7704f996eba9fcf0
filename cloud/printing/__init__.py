"""Jobs and printers: the job state machine, the dispatcher, uploads to printers, the camera, the live state."""
