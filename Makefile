# What can be done with the project; `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run show pictures test mutants fuzz bench soak build man dist entrega docker-image docker-compose-up docker-compose-down docker-compose-logs test-containers cluster test-cluster test-packages test-postgres

# The definition that generar-compose.sh was asked for, else the committed one.
COMPOSE = docker compose -f $(or $(wildcard docker-compose-dev.yaml),compose/dev.yaml)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 22

run: build ## the whole story: a central, five agencies, the draw, the winners
	cargo run --release --locked -q -p benches --bin story

show: build ## a central with its pages and forty scripted peers, for three minutes (TRACE=show.json leaves a trace)
	cargo run --release --locked -q -p benches --bin show

pictures: build ## the pictures of the documents again, from a show; wants Chromium
	cargo run --release --locked -q -p benches --bin pictures

test: ## every test that needs no container engine
	cargo test --workspace --locked
	@compose/test-scripts.sh

mutants: ## which changes of the code no test notices: since BASE (origin/main), or all of OF=frame; wants cargo-mutants
	@fixtures/mutants.sh

FUZZ_SECONDS = 60
fuzz: ## every fuzz target, FUZZ_SECONDS (60) each; wants cargo-fuzz
	fuzz/run $(FUZZ_SECONDS)

bench: ## every bench, and a table of their figures; some minutes, and best on a quiet machine
	@mkdir -p target
	cargo bench --locked -p benches -- --quiet > target/bench.log
	@cargo run --release --locked -q -p benches --bin table

soak: build ## beside every abuse: what it costs, and that all promises are kept (SOAK_MINUTES=1 of all at once)
	cargo run --release --locked -q -p benches --bin soak

build: ## both programs, optimised
	cargo build --release --locked -p event-server -p batch-client

man: ## the manual pages of both programs, in target/man
	@rm -rf target/man && mkdir -p target/man
	cargo run --locked -q -p event-server -- man target/man
	cargo run --locked -q -p batch-client -- man target/man

dist: ## an archive and a Debian package of both programs, in target/dist; wants dpkg-deb
	@packaging/build

docker-image: ## the images server:latest and client:latest
	docker build -f event-server/Dockerfile -t server:latest .
	docker build -f batch-client/Dockerfile -t client:latest .

docker-compose-up: docker-image ## the lottery in containers, from docker-compose-dev.yaml where that exists
	$(COMPOSE) up -d

# The server needs SERVER_SHUTDOWN_GRACE (2s) at most. The bets stay in their volume.
docker-compose-down: ## stop the containers, cleanly, and remove them
	$(COMPOSE) down --remove-orphans --timeout 15

docker-compose-logs: ## follow what they say
	$(COMPOSE) logs -f

entrega: ## the branches ej1 to ej8 of the course, from the current commit
	@compose/entrega.sh

test-containers: ## every exercise on its branch, in containers
	@compose/test-containers.sh

cluster: docker-image ## three database nodes, two centrals, five agencies, in containers: docs/cluster.md
	docker compose -f compose/cluster.yaml up --build

test-cluster: docker-image ## the cluster under faults, by SEED (1); SEEDS=100 LANES=6 is the long form, in six clusters at once
	docker compose -f compose/cluster.yaml build --quiet etcd setup
	docker build --quiet -f compose/cluster/Dockerfile --target partition -t lottery-partition:latest compose/cluster
	cargo run --release --locked -q -p benches --bin cluster

test-packages: ## what make dist makes: the same bytes twice, right files, installed in a container
	@packaging/test.sh

test-postgres: ## the tests on a database, with PostgreSQL 14, 16, 17 and 18, which are fetched; wants pip
	@fixtures/test-postgres.sh
