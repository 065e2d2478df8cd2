"""The process that runs models: graph analysis, sessions, the pipeline of a frame, the serve loop."""
