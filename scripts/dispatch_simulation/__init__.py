"""The dispatch policy in virtual time, which `bench_dispatch.py` compares with a bound."""
