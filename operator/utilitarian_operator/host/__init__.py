"""The process: kopf, the Lease, HTTP servers, the admission webhook, settings, logs, and the wiring of it all."""
