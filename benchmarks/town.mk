# make town [QUICK=1]: frames of towns of our own (docs/town.md).
# make benchmark-town CAMVID=DIR [QUICK=1]: from a rendered town to real streets, and every table of docs/benchmarks.md.
#
# Each stage leaves a file; the same command goes on where it was stopped. QUICK=1 makes the same tables from fewer
# frames and steps and one seed, in folders of its own. Everything that a number depends on is in this file and in
# train/runs/town.yaml and train/runs/segmenter.yaml. Nothing here was chosen by looking at the test frames.
CAMVID ?= camvid

# Twelve towns to train on, and 100 frames of five others; the sequence is two seconds of two more.
ifdef QUICK
BENCH    := demo/benchmark-quick
TOWN     := demo/town-quick
DRIVE_train    := --seed 1 --frames 24 --per-town 8 --every 100
DRIVE_heldout  := --seed 101 --frames 10 --per-town 5 --every 180
DRIVE_sequence := --seed 201 --frames 4 --per-town 4 --every 1
SEEDS    := 0
STEPS_OF := --steps 40 --decay_every 40 --ema 0.9
SEG_OF   := --steps 200
STYLE_OF := --steps 40
CROPS    := --crops 4 --candidates 16
else
BENCH    := demo/benchmark
TOWN     := demo/town
DRIVE_train    := --seed 1 --frames 300
DRIVE_heldout  := --seed 101 --frames 100 --per-town 20 --every 40
DRIVE_sequence := --seed 201 --frames 60 --per-town 30 --every 1
SEEDS    := 0 1 2
STEPS_OF :=
SEG_OF   := --steps 1000
STYLE_OF :=
CROPS    := --crops 4
endif

# Methods that need no training on frames, and networks: one that gets no buffers, and some that lack one of them.
TRANSFERS := reinhard histogram transport idt soften wct2 grade
LACKING   := no-normal no-depth no-albedo no-classes
TRAINED   := lite-blind lite hr-small realformer-small
BUFFERS   := normal depth albedo roughness metallic class
list       = '["$(subst $() $(),"$(comma)",$(strip $(1)))"]'
comma     := ,

FLAGS_lite             :=
FLAGS_lite-blind       := --withheld $(call list,$(BUFFERS))
FLAGS_no-normal        := --withheld $(call list,normal)
FLAGS_no-depth         := --withheld $(call list,depth)
FLAGS_no-albedo        := --withheld $(call list,albedo)
FLAGS_no-classes       := --withheld $(call list,class)
FLAGS_hr-small         := --preset hr-small
FLAGS_realformer-small := --preset realformer-small
COMMAND_OF              = $(if $(filter realformer%,$(1)),train.realformer unpaired,train.epe)

# What segmenters are trained on.
TASKS := town reinhard idt grade lite-blind lite real

# Runs a stage's commands, and notes how long they took, however they end: a stage that was stopped goes on later.
timed = @mkdir -p $(@D) $(BENCH) && start=$$(date +%s) && trap 'exit 130' INT TERM && \
	trap 'echo "$(2) $$(($$(date +%s) - start))" >> $(BENCH)/seconds.txt' EXIT && $(1) && touch $@
each   = $(foreach name,$(1),$(foreach seed,$(SEEDS),$(name)/$(seed)))

RUNS_OF   := $(call each,$(TRAINED) $(LACKING))
TASKS_OF  := $(call each,$(TASKS))
LABELS_OF := --fake-labels $(BENCH)/labels/town/heldout --real-labels $(BENCH)/labels/real/test
MADE_OF   := $(foreach m,$(TRANSFERS),--fake $(m)=$(BENCH)/heldout/$(m))
FAKES_OF  := $(MADE_OF) $(foreach r,$(call each,$(TRAINED)),--fake $(subst /,-,$(r))=$(BENCH)/runs/$(r)/heldout)
RENDER_OF := --fake render=$(TOWN)/heldout

.PHONY: town benchmark-town
.SECONDARY:

# Blender's module needs Python 3.11 and NumPy 1, so it has an environment of its own.
BLENDER := .venv-blender
CYCLES  := gbuffer_tools.town --blender $(BLENDER)/bin/python

$(BLENDER)/installed:
	test -x $(BLENDER)/bin/python || $(PYTHON) -m venv $(BLENDER)
	$(BLENDER)/bin/python -m pip install -q bpy==5.0.1
	touch $@

DRIVES := $(foreach drive,train heldout sequence,$(TOWN)/$(drive)/done)

town: $(TOWN)/done

# Together, so that frames that two drives share are found: first those that networks are trained and judged on, then all.
$(TOWN)/split: $(TOWN)/train/done $(TOWN)/heldout/done
	$(RUN) gbuffer_tools.check $(^:%/done=%) && touch $@

$(TOWN)/done: $(DRIVES)
	$(RUN) gbuffer_tools.check $(^:%/done=%) && touch $@

$(DRIVES): $(TOWN)/%/done: $(VENV)/installed $(BLENDER)/installed
	$(call timed,$(RUN) $(CYCLES) $(DRIVE_$*) --out $(@D),town/$*)

benchmark-town: $(BENCH)/tables.md
	@cat $(BENCH)/tables.md
	@echo "The page: file://$(CURDIR)/$(BENCH)/index.html"

# 1. Data: the town, the photographs, labels that both have, matches.
$(BENCH)/real/done: $(VENV)/installed
	@test -d "$(CAMVID)/train" || { echo "CAMVID=$(CAMVID): no such folder of CamVid; docs/benchmarks.md says how to get it"; exit 2; }
	$(call timed,$(RUN) gbuffer_tools.extract "$(CAMVID)" --out $(@D) --per-file 1000 --licence "CamVid (research only)",real)

$(BENCH)/labels/done: $(BENCH)/real/done $(TOWN)/split
	$(call timed,$(RUN) datasets.label $(TOWN)/train $(TOWN)/heldout --method classes --classes datasets/labelling/street.yaml \
		--out $(@D)/town && \
		$(RUN) datasets.label $(BENCH)/real/train $(BENCH)/real/test --method classes \
		--classes datasets/labelling/street.yaml --out $(@D)/real,labels)

$(BENCH)/matches.npz: $(BENCH)/labels/done | $(VENV)/assets
	$(call timed,$(RUN) datasets.match --frames $(TOWN)/train --photos $(BENCH)/real/train --out $@,match)

# 2. What networks are compared with.
$(BENCH)/wct2/done: $(BENCH)/real/done
	$(call timed,$(RUN) train.style --method wct2 --photos $(BENCH)/real/train $(STYLE_OF) --out $(@D),train/wct2)

transfer = $(RUN) eval.baselines $(1) --source $(TOWN)/$(2) --out $(BENCH)/$(2)/$(1) --overwrite \
	$(if $(filter soften,$(1)),,--target $(BENCH)/real/train) $(if $(filter wct2,$(1)),--model $(BENCH)/wct2/model.safetensors)

$(TRANSFERS:%=$(BENCH)/heldout/%/done): $(BENCH)/heldout/%/done: $(BENCH)/labels/done $(BENCH)/wct2/done
	$(call timed,$(call transfer,$*,heldout),transfers/heldout/$*)

$(BENCH)/train/%/done: $(BENCH)/labels/done
	$(call timed,$(call transfer,$*,train),transfers/train/$*)

# 3. Networks: train, and enhance the frames that nothing has seen.
name_of = $(patsubst %/,%,$(dir $(1)))

$(RUNS_OF:%=$(BENCH)/runs/%/done): $(BENCH)/runs/%/done: $(BENCH)/matches.npz
	$(call timed,$(RUN) $(call COMMAND_OF,$(call name_of,$*)) --config train/runs/town.yaml $(FLAGS_$(call name_of,$*)) \
		$(STEPS_OF) --seed $(notdir $*) --frames $(TOWN)/train --photos $(BENCH)/real/train --matches $< \
		--frame_labels $(BENCH)/labels/town/train --photo_labels $(BENCH)/labels/real/train --out $(@D) && \
		$(RUN) app.enhance $(@D)/model.safetensors $(TOWN)/heldout --out $(@D)/heldout --overwrite,networks/$*)

$(BENCH)/runs/%/train/done: $(BENCH)/runs/%/done
	$(call timed,$(RUN) app.enhance $(BENCH)/runs/$*/model.safetensors $(TOWN)/train --out $(@D) --overwrite,enhance/$*)

# 4. The task: segmenters, each judged on real frames; and what those of real streets see in frames of the town.
pictures_of = $(if $(filter town,$(1)),$(TOWN)/train,$(if $(filter real,$(1)),$(BENCH)/real/train,$(if \
	$(filter lite%,$(1)),$(BENCH)/runs/$(1)/$(2)/train,$(BENCH)/train/$(1))))
seg_labels  = $(if $(filter real,$(1)),$(BENCH)/labels/real/train,$(BENCH)/labels/town/train)
needed_of   = $(if $(filter town real,$(1)),$(BENCH)/labels/done,$(call pictures_of,$(1),$(2))/done)

.SECONDEXPANSION:
$(TASKS_OF:%=$(BENCH)/segmenters/%/done): $(BENCH)/segmenters/%/done: $$(call needed_of,$$(call name_of,$$*),$$(notdir $$*))
	$(call timed,$(RUN) train.segmenter --config train/runs/segmenter.yaml $(SEG_OF) --seed $(notdir $*) \
		--images $(call pictures_of,$(call name_of,$*),$(notdir $*)) --labels $(call seg_labels,$(call name_of,$*)) \
		--classes null --validation null --out $(@D),segmenters/$*)

$(SEEDS:%=$(BENCH)/task-%.json): $(BENCH)/task-%.json: $$(foreach t,$(TASKS),$(BENCH)/segmenters/$$(t)/$$*/done)
	$(call timed,$(RUN) eval.segmentation --frames $(BENCH)/real/test \
		$(foreach t,$(TASKS),--segmenter $(t)=$(BENCH)/segmenters/$(t)/$*/model.safetensors) --out $@,judge/task-$*)

$(SEEDS:%=$(BENCH)/recognised-%.json): $(BENCH)/recognised-%.json: $(BENCH)/segmenters/real/%/done $(BENCH)/judged
	$(call timed,$(RUN) eval.segmentation --frames $(TOWN)/heldout $(MADE_OF) \
		$(foreach t,$(TRAINED),--fake $(t)=$(BENCH)/runs/$(t)/$*/heldout) \
		--segmenter $(BENCH)/segmenters/real/$*/model.safetensors --out $@,judge/recognised-$*)

# 5. How close to real streets.
$(BENCH)/judged: $(RUNS_OF:%=$(BENCH)/runs/%/done) $(TRANSFERS:%=$(BENCH)/heldout/%/done)
	@touch $@

$(BENCH)/skvd.json: $(BENCH)/judged
	$(call timed,$(RUN) eval.skvd $(RENDER_OF) $(FAKES_OF) --real $(BENCH)/real/test $(LABELS_OF) --floor $(BENCH)/real/train \
		--floor-labels $(BENCH)/labels/real/train $(CROPS) --out $@,judge/skvd)

$(SEEDS:%=$(BENCH)/buffers-%.json): $(BENCH)/buffers-%.json: $(BENCH)/judged
	$(call timed,$(RUN) eval.skvd --fake lite=$(BENCH)/runs/lite/$*/heldout \
		$(foreach m,$(LACKING) lite-blind,--fake $(m)=$(BENCH)/runs/$(m)/$*/heldout) $(RENDER_OF) \
		--real $(BENCH)/real/test $(LABELS_OF) $(CROPS) --out $@,judge/buffers-$*)

$(BENCH)/sets.json: $(BENCH)/judged
	$(call timed,$(RUN) eval.sets $(RENDER_OF) $(FAKES_OF) --real $(BENCH)/real/test --cache $(BENCH)/cache --out $@,judge/sets)

$(BENCH)/content.json: $(BENCH)/judged
	$(call timed,$(RUN) eval.content $(RENDER_OF) $(FAKES_OF) --out $@,judge/content)

$(BENCH)/control.json: $(BENCH)/judged
	$(call timed,$(RUN) eval.control --frames $(TOWN)/heldout $(FAKES_OF) --out $@,judge/control)

BUFFER_RECORDS := $(SEEDS:%=$(BENCH)/buffers-%.json)
TASK_RECORDS   := $(SEEDS:%=$(BENCH)/task-%.json)
SEEN_RECORDS   := $(SEEDS:%=$(BENCH)/recognised-%.json)

RECORDS_OF     := $(patsubst %,$(BENCH)/%.json,skvd sets content control)

$(BENCH)/tables.md: $(RECORDS_OF) $(BUFFER_RECORDS) $(TASK_RECORDS) $(SEEN_RECORDS)
	$(RUN) eval.report $(RECORDS_OF) --out $(BENCH)/index.html
	@{ set -e; echo '### How close to real streets'; $(RUN) benchmarks.tables skvd $(BENCH)/skvd.json; \
		echo; echo '### What buffers are worth'; $(RUN) benchmarks.tables buffers $(BUFFER_RECORDS); \
		echo; echo '### Segmenters on real test frames'; $(RUN) benchmarks.tables segmentation $(TASK_RECORDS); \
		echo; echo '### What a segmenter of real streets sees in the town'; $(RUN) benchmarks.tables segmentation $(SEEN_RECORDS); \
		echo; echo '### Time'; $(RUN) benchmarks.tables seconds $(BENCH)/seconds.txt; } > $@.partial && mv $@.partial $@
