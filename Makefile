# make demo   the main job on the embedded reference clip -> exprgen_demo/demo.blend and demo.mp4;
#             about 4 minutes the first time
# make test   lint, format and every test; 5 to 10 minutes
# make release     Blender's installable zips -> dist/, one a platform, 120 to 160 MB, nothing else needed
# make extension   the same without packages, 32 MB; uses a Python that has them
# make pictures    the pictures of faces in docs/, as today's characters show them; 6 minutes on two cores
# They set up what they need: a virtual environment at .venv with the `exprgen` command and pinned
# packages, and the face landmark model, checked by its SHA-256. Both can be interrupted and rerun.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.exprgen-installed

.PHONY: demo test setup lint characters pictures extension release clean
.DELETE_ON_ERROR:

demo: setup
	$(BIN)/exprgen demo

# A folder of tests is a room, and a room a process: what the bpy module keeps of one room's scenes,
# and of their threads, is gone before the next. Two rooms at a time, each with its output in one
# piece, the longest first; `make test ROOMS_AT_ONCE=4` where there are more cores, at some 1 GB a
# room. `make room/tests/networks/solving` does one.
LONGEST := $(addprefix room/tests/,networks/training exprgen_addon/command_line sample_rigs)
ROOMS = $(LONGEST) $(filter-out $(LONGEST),$(FOUND))
FOUND := $(patsubst %/,room/%,$(sort $(dir $(wildcard tests/test_*.py tests/*/test_*.py tests/*/*/test_*.py))))
ROOMS_AT_ONCE ?= 2

test: setup lint
	@$(MAKE) --no-print-directory -j $(ROOMS_AT_ONCE) $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(ROOMS)

$(ROOMS): room/%:
	@echo "$*"; $(BIN)/python -m pytest -q $*/test_*.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

setup: $(STAMP)
	@$(BIN)/python -m exprgen.networks.tracking.landmark_model

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "ExprGen needs Python 3.11 (Blender 4.5's own version): install it, or run make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the packages into $(VENV), about 2.4 GB; silent for a minute or more ..."
	$(BIN)/python -m pip install --disable-pip-version-check -q -e ".[dev]"
	touch $@

characters: setup
	$(BIN)/python -m pip install --disable-pip-version-check -q -e ".[build]"
	$(BIN)/python -m exprgen.sample_rigs.build all
	for name in mira tobi anselm rosa; do $(BIN)/exprgen landmarks $$name || exit; done
	$(BIN)/exprgen landmarks blip --points sample_rigs/build/blip_points.json

pictures: setup
	$(BIN)/python -m pip install --disable-pip-version-check -q -e ".[build]"
	$(BIN)/python -m exprgen.sample_rigs.build.docs_pictures

extension: setup
	$(BIN)/python -m exprgen.exprgen_addon.packaging.extension_build --lite --out dist
	@echo "In Blender, ExprGen's preferences ask for the engine's Python. Type or paste:"
	@echo "  $(abspath $(BIN)/python)"

release: setup
	$(BIN)/python -m exprgen.exprgen_addon.packaging.extension_build --out dist

clean:
	rm -rf $(VENV) out exprgen_demo
