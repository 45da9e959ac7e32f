"""The web door. `app` makes the application, `notify` hears, `console` shows, `metrics` counts,
`service` runs all of it with worker threads in one process. The only place that is async."""
