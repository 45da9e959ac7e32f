"""The bridge: hear, reconcile, sweep. Begin with `bridge.py`, the story from top to bottom.

`hearing` (whom does an event concern), `gathering` (read a person from every source),
`deciding` (pure: what is wrong, what to write) and `sweeping` (what no notification told) are
its parts; `ports` says what it needs from servers and store, `story` what it tells watchers.
"""
