# Each of these is one command of start.py, which sets .venv up first. `make faults` takes minutes.

.PHONY: demo test check bench faults wheel

demo:
	python3 start.py

test:
	python3 start.py test

check:
	python3 start.py check

bench:
	python3 start.py bench

faults:
	python3 start.py test tests/faults -m "faults or slow"

wheel:
	python3 start.py wheel
