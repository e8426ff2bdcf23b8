"""OpenTelemetry traces: an extra, loaded only where the environment asks for it."""
