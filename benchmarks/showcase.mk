# make showcase: our town towards photographs of streets that weights may be made from, three seeds, judged once on
# towns that nothing has seen; then pictures of it at 960x540 (docs/results.md).
#
# Each stage leaves a file; the same command goes on where it was stopped. It needs what `make town` makes, which it
# starts. The recipe is train/runs/streets.yaml. Fixed before the judged frames were looked at: the recipe, its last
# step, three seeds, the frames, the photographs, the crops, and that seed 0 is the one that is shown. With CAMVID=DIR the
# same pictures are judged towards real streets of another camera, too, which no run here has seen.
SHOW   := demo/showcase
STREET := $(PHOTOS)/street
# Where `benchmark-town` has its data; below, BENCH is the showcase's own folder.
REAL   := $(BENCH)

SHOW_RUNS := $(foreach seed,0 1 2,$(SHOW)/runs/$(seed))
STUDENTS  := $(foreach seed,0 1 2,$(SHOW)/students/$(seed))
GRADED    := --fake grade=$(SHOW)/grade
SHOW_MADE := $(GRADED) $(foreach seed,0 1 2,--fake hr-small-$(seed)=$(SHOW)/runs/$(seed)/heldout)
SHOW_DONE := $(SHOW)/grade/done $(SHOW_RUNS:%=%/heldout/done)
STREETS   := $(wildcard $(CAMVID)/train)
SHOW_SKVD := $(SHOW)/skvd.json $(if $(STREETS),$(SHOW)/camvid.json $(SHOW)/against-grade.json)
# Towards what, and its floor. Six clusters for the samples, as docs/results.md judges.
TO_SAMPLES   := --crops 4 --real $(PHOTOS)/heldout --fake-labels $(SHOW)/judge/frames --real-labels $(SHOW)/judge/photos \
	--floor $(PHOTOS)/train --floor-labels $(SHOW)/floor/photos
TO_STREETS   := --crops 4 --real $(REAL)/real/test $(LABELS_OF)
STREET_FLOOR := --floor $(REAL)/real/train --floor-labels $(REAL)/labels/real/train
SHOW_SEEN := $(if $(STREETS),$(SHOW)/recognised.json)

.PHONY: showcase gallery
# Not for what these stages start: that keeps its own folder.
$(SHOW)/%: private BENCH := $(SHOW)

showcase: $(SHOW)/tables.md
	@cat $(SHOW)/tables.md
	@echo "The page: file://$(CURDIR)/$(SHOW)/index.html"

$(SHOW)/matches.npz: $(TOWN)/train/done | $(VENV)/assets
	$(call timed,$(RUN) datasets.label frames=$(TOWN)/train photos=$(STREET) --out $(SHOW)/labels && $(RUN) datasets.match \
		--frames $(TOWN)/train --photos $(STREET) --out $@ --min-cosine 0.4,match)

$(SHOW_RUNS:%=%/done): $(SHOW)/runs/%/done: $(SHOW)/matches.npz
	$(call timed,$(RUN) train.epe --config train/runs/streets.yaml --frames $(TOWN)/train --seed $* --out $(@D),train/$*)

$(addsuffix /heldout/done,$(SHOW_RUNS) $(STUDENTS)): %/heldout/done: %/done $(TOWN)/split
	$(RUN) app.enhance $*/model.safetensors $(TOWN)/heldout --out $(@D) --overwrite && touch $@

$(SHOW)/grade/done: $(TOWN)/split
	$(call timed,$(RUN) eval.baselines grade --source $(TOWN)/heldout --target $(STREET) --out $(@D) --overwrite,grade)

# The floor's photographs are labelled by the same clusters.
$(SHOW)/skvd.json: $(SHOW_DONE)
	$(call timed,$(RUN) datasets.label frames=$(TOWN)/heldout photos=$(PHOTOS)/heldout --count 6 --out $(SHOW)/judge && \
		$(RUN) datasets.label frames=$(TOWN)/heldout photos=$(PHOTOS)/train --clusters $(SHOW)/judge/clusters.npz \
		--out $(SHOW)/floor && $(RUN) eval.skvd $(RENDER_OF) $(SHOW_MADE) $(TO_SAMPLES) --out $@,judge/samples)

$(SHOW)/camvid.json: $(SHOW_DONE) $(REAL)/labels/done
	$(call timed,$(RUN) eval.skvd $(RENDER_OF) $(SHOW_MADE) $(TO_STREETS) $(STREET_FLOOR) --out $@,judge/camvid)

# Differences are those to the first method: here to grade, frame by frame.
$(SHOW)/against-grade.json: $(SHOW_DONE) $(REAL)/labels/done
	$(call timed,$(RUN) eval.skvd $(SHOW_MADE) $(TO_STREETS) --out $@,judge/grade)

$(SHOW)/control.json: $(SHOW_DONE)
	$(call timed,$(RUN) eval.control --frames $(TOWN)/heldout $(SHOW_MADE) --out $@,judge/control)

# What a segmenter that learnt real streets sees in the frames, before and after.
$(SHOW)/recognised.json: $(SHOW_DONE) $(REAL)/segmenters/real/0/done
	$(call timed,$(RUN) eval.segmentation --frames $(TOWN)/heldout $(SHOW_MADE) \
		--segmenter $(REAL)/segmenters/real/0/model.safetensors --out $@,judge/recognised)

$(SHOW)/tables.md: $(SHOW_SKVD) $(SHOW)/control.json $(SHOW_SEEN)
	$(RUN) eval.report $(SHOW_SKVD) $(SHOW)/control.json --out $(SHOW)/index.html
	@{ set -e; for record in $(SHOW_SKVD); do echo "### $$record"; $(RUN) benchmarks.tables skvd $$record; echo; done; \
		for record in $(SHOW_SEEN); do echo "### $$record"; $(RUN) benchmarks.tables segmentation $$record; echo; done; \
		$(RUN) benchmarks.tables seconds $(SHOW)/seconds.txt; } > $@.partial && mv $@.partial $@

# make students: `lite`, taught by each seed of hr-small; recipe, steps and seeds fixed before any was trained.
TAUGHT   := $(foreach seed,0 1 2,--fake lite-$(seed)=$(SHOW)/students/$(seed)/heldout)

.PHONY: students
students: $(SHOW)/students/tables.md
	@cat $<

$(SHOW_RUNS:%=%/train/done): %/train/done: %/done $(TOWN)/train/done
	$(RUN) app.enhance $*/model.safetensors $(TOWN)/train --out $(@D) --overwrite && touch $@

$(STUDENTS:%=%/done): $(SHOW)/students/%/done: $(SHOW)/runs/%/train/done
	$(call timed,$(RUN) train.realformer paired --config train/runs/town-student.yaml --frames $(TOWN)/train --targets $(<D) \
		--seed $* --out $(@D),students/$*)

$(SHOW)/students/skvd.json: $(STUDENTS:%=%/heldout/done) $(SHOW)/skvd.json
	$(call timed,$(RUN) eval.skvd $(RENDER_OF) $(SHOW_MADE) $(TAUGHT) $(TO_SAMPLES) --out $@,judge/students)

$(SHOW)/students/camvid.json: $(STUDENTS:%=%/heldout/done) $(REAL)/labels/done
	$(call timed,$(RUN) eval.skvd $(RENDER_OF) $(SHOW_MADE) $(TAUGHT) $(TO_STREETS) $(STREET_FLOOR) --out $@,judge/students-camvid)

$(SHOW)/students/against-grade.json: $(STUDENTS:%=%/heldout/done) $(REAL)/labels/done
	$(call timed,$(RUN) eval.skvd $(GRADED) $(TAUGHT) $(TO_STREETS) --out $@,judge/students-grade)

$(SHOW)/students/control.json: $(STUDENTS:%=%/heldout/done)
	$(RUN) eval.control --frames $(TOWN)/heldout $(GRADED) $(TAUGHT) --out $@

STUDENT_SKVD := $(SHOW)/students/skvd.json \
	$(if $(STREETS),$(SHOW)/students/camvid.json $(SHOW)/students/against-grade.json)

$(SHOW)/students/tables.md: $(STUDENT_SKVD) $(SHOW)/students/control.json
	$(RUN) eval.report $^ --out $(SHOW)/students/index.html
	@{ set -e; for record in $(STUDENT_SKVD); do echo "### $$record"; $(RUN) benchmarks.tables skvd $$record; echo; done; \
		$(RUN) benchmarks.tables scores $(SHOW)/students/control.json; } > $@.partial && mv $@.partial $@

# One frame of each of seven towns that training has not seen, 13 s into the drive, larger than training's, by the model
# that ships: seed 0 of the students (docs/gallery.md).
gallery: $(SHOW)/gallery/done

$(SHOW)/gallery/done: $(VENV)/installed $(BLENDER)/installed
	$(RUN) $(CYCLES) --seed 101 --frames 14 --per-town 2 --every 400 --size 960x540 --out $(@D)/frames
	$(RUN) app.enhance models/town-lite.safetensors $(@D)/frames --out $(@D)/enhanced --overwrite
	for town in 0101 0102 0103 0104 0105 0106 0107; do $(RUN) app.compare render=$(@D)/frames enhanced=$(@D)/enhanced \
		--key town-$$town/$$town-0400 --out $(@D)/$$town.jpg --overwrite || exit; done
	touch $@
