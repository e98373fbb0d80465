"""Run one adapter once, in a process of its own: isolation, limits, measurement.

Which trials are run, and what their answers mean, is decided in `pipeline` and `evaluation`. Nothing is imported here,
since every trial's process imports this package. Entry points: `runner.run_trial`, `schedule.plan_trials`,
`templates.Templates`, `host_lock.host_lock`.
"""
