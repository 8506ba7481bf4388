# What Ray needs in its environment on every node of a cluster; sourced before each `ray start`.
# shellcheck shell=bash

export PATH="$HOME/quantgrid/.venv/bin:$HOME/.local/bin:$PATH"

export RAY_AUTH_MODE=token # else whoever reaches a port runs code here
export RAY_USAGE_STATS_ENABLED=0 # nothing is sent anywhere
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=1 # a Mac may join; Ray calls that experimental

# A node that falls silent (a laptop's lid, a cable) is given up after half a minute, not after seven.
export RAY_health_check_period_ms=2000
export RAY_health_check_timeout_ms=4000
export RAY_health_check_failure_threshold=3
export RAY_grpc_client_keepalive_time_ms=15000
export RAY_grpc_client_keepalive_timeout_ms=10000

# The machine is for the engines: Ray neither ends them, nor slows them, nor hides devices from them.
export RAY_memory_monitor_refresh_ms=0
export RAY_worker_niceness=0
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=0
unset OMP_NUM_THREADS PYTHONWARNINGS # set by `ray up` for its own commands; engines would inherit them

# Many nodes and workers are many open files; where no more are allowed, Ray runs with what there is.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)" 2>/dev/null || true
