# The two commands are `make run` and `make test`; the others are their parts. What they do is in scripts/.
.PHONY: help run test check bench format

help:
	@echo "make run      build and start the server on http://127.0.0.1:8080, with a PostgreSQL of its own"
	@echo "make test     run every test, the browser's included"
	@echo "make check    formatting and the rules of the house, in a minute"
	@echo "make bench    measure, beside what the database alone can do"
	@echo "make format   format the Swift sources"

run:
	@scripts/run

test:
	@scripts/test

check:
	@scripts/check

bench:
	@scripts/bench

format:
	@swift format format --in-place --recursive --parallel Package.swift App Modules Tests
