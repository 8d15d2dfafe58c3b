# The two commands are `make run` and `make test`; the others are their parts. What they do is in scripts/.
.PHONY: help run test test-swift test-web test-app test-browser test-long test-faults test-plans test-guide test-websocket test-releases fuzz check bench bench-web profile format

help:
	@echo "make run         build and start the server on http://127.0.0.1:8080, with a PostgreSQL of its own"
	@echo "make test        run every test, the browser's included"
	@echo "make test-swift  the Swift suites of it alone; as of all, the last line is the counts"
	@echo "make test-web    the web client's machine: Node, no browser and no server"
	@echo "make test-app    the API from outside, against whole processes"
	@echo "make test-browser  the pages, in Chromium"
	@echo "make test-long   ten thousand simulated networks and accounts of 400,000 entries, which all has in a short form"
	@echo "make test-faults what breaks, and two minutes of Schemathesis against the API's own document"
	@echo "make test-plans  that no statement reads a whole table of users, among 30,000 of them; all has it in a short form"
	@echo "make test-guide  build the feature of docs/guides/add-a-feature.md as the guide says, and run its tests"
	@echo "make test-websocket  run the Autobahn suite against the sockets (needs a Python 2.7)"
	@echo "make test-releases  this release and a next one, both built, on one database (ten minutes the first time)"
	@echo "make fuzz        ten minutes of hostile bytes for what reads them (SECONDS=60: one)"
	@echo "make check       formatting, lint of every language and the rules of the house, in a minute"
	@echo "make bench       measure, beside what the database alone can do"
	@echo "make profile     a flame graph of the server during a job of the bench (JOB=J1)"
	@echo "make bench-web   the six scenes of a desktop and a phone, twenty times each in Chromium"
	@echo "make format      format the Swift sources"

run:
	@scripts/run

test:
	@scripts/test

test-swift test-web test-app test-browser test-long:
	@scripts/test $(@:test-%=%)

test-faults:
	@scripts/test-faults

test-plans:
	@scripts/test-plans

test-guide:
	@scripts/test-guide

test-websocket:
	@scripts/test-websocket

test-releases:
	@scripts/test-releases

fuzz:
	@FUZZ_SECONDS=$(or $(SECONDS),600) scripts/fuzz

check:
	@scripts/check

bench:
	@scripts/bench

bench-web:
	@scripts/bench-web

profile:
	@scripts/profile $(or $(JOB),J1)

format:
	@swift format format --in-place --recursive --parallel Package.swift App Modules Tests
