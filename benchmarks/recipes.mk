# make recipes: which settings make enhanced pictures better, by short runs from the shipped `lite` (docs/results.md).
#
# Each stage leaves a file; the same command goes on where it was stopped. Fixed before anything was looked at: the
# variants, 300 steps, seed 0, two tracks that no model was trained or judged on, and the rule: the variant that goes
# farthest from the render to the floor, in the mean of relu3_3 to relu5_3, among those that are not decidedly farther
# than `shipped` at relu2_2 and lose at most 5 points of edges against it. The four held-out tracks of samples/ stay
# unseen until the chosen recipe is trained in full. `squares` was added after a trial on other frames, the town's.
RECIPES := $(DEMO)/recipes
TRACKS_TRIED := hacienda zengarden
START   := models/supertuxkart-lite.safetensors
COMMON  := --preset lite --initial $(START) --steps 300 --rate 3e-4 --critic_rate 4e-4 --ema 0.97

# A weak guard, and critics that are updated unless nearly always right; the other variants add to these two.
LEVER   := --perceptual_weight 0.44 --adaptive_target 0.8

VARIANTS := as-before guard-1 guard-0.44 awake lever deep augmented r1 large colour squares camera
CHANGES_as-before  :=
CHANGES_guard-1    := --perceptual_weight 1
CHANGES_guard-0.44 := --perceptual_weight 0.44
CHANGES_awake      := --adaptive_target 0.8
CHANGES_lever      := $(LEVER)
CHANGES_deep       := --perceptual_weight 2 --perceptual_layers '["relu4_3","relu5_3"]' --adaptive_target 0.8
CHANGES_augmented  := $(LEVER) --diff_augment '["translation","cutout"]'
CHANGES_r1         := $(LEVER) --penalty_input image --penalty_weight 0.03
CHANGES_large      := $(LEVER) --crop 192 --batch 2
CHANGES_colour     := $(LEVER) --class_colour_weight 100
CHANGES_squares    := $(LEVER) --class_colour_weight 100 --class_colour_side 32
CHANGES_camera     := $(LEVER) --photo_filter camera

TRIED_FAKES := $(foreach v,grade shipped $(VARIANTS),--fake $(v)=$(RECIPES)/$(v)/frames)
TRIED_MADE  := $(foreach v,grade shipped $(VARIANTS),$(RECIPES)/$(v)/frames/done)

.PHONY: recipes
$(RECIPES)/%: BENCH := $(RECIPES)

recipes: $(RECIPES)/tables.md
	@cat $(RECIPES)/tables.md
	@echo "The page: file://$(CURDIR)/$(RECIPES)/index.html"

# Six frames of each track, as those of samples/ were made; `make game` installs what this needs.
$(RECIPES)/frames/done: $(VENV)/installed
	$(call timed,$(foreach track,$(TRACKS_TRIED),$(RUN) gbuffer_tools.capture --track $(track) --size 480x270 --quality mid \
		--first 110 --step 150 --count 6 --out $(RECIPES)/captures &&) \
		$(RUN) gbuffer_tools.extract $(RECIPES)/captures --out $(@D) && $(RUN) gbuffer_tools.check $(@D),frames)

$(RECIPES)/matches.npz: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(RUN) datasets.label $(FRAMES)/train $(PHOTOS)/train --out $(RECIPES)/labels && $(RUN) datasets.match \
		--frames $(FRAMES)/train --photos $(PHOTOS)/train --out $@ --min-cosine 0.4,match)

$(VARIANTS:%=$(RECIPES)/%/done): $(RECIPES)/%/done: $(RECIPES)/matches.npz
	$(call timed,$(RUN) train.epe --config train/runs/samples.yaml $(COMMON) $(CHANGES_$*) --matches $< \
		--frame_labels $(RECIPES)/labels/frames/train --photo_labels $(RECIPES)/labels/photos/train --out $(@D),$*)

$(RECIPES)/shipped/done:
	mkdir -p $(@D) && cp $(START) $(@D)/model.safetensors && touch $@

$(RECIPES)/%/frames/done: $(RECIPES)/%/done $(RECIPES)/frames/done
	$(RUN) app.enhance $(<D)/model.safetensors $(RECIPES)/frames --out $(@D) --overwrite && touch $@

$(RECIPES)/grade/frames/done: $(RECIPES)/frames/done
	$(RUN) eval.baselines grade --source $(RECIPES)/frames --target $(PHOTOS)/train --out $(@D) --overwrite && touch $@

# Six clusters, as docs/results.md judges; the floor's photographs are labelled by the same clusters.
$(RECIPES)/skvd.json: $(TRIED_MADE)
	$(call timed,$(RUN) datasets.label $(RECIPES)/frames $(PHOTOS)/heldout --count 6 --out $(RECIPES)/judge && \
		$(RUN) datasets.label $(RECIPES)/frames $(PHOTOS)/train --clusters $(RECIPES)/judge/clusters.npz \
		--out $(RECIPES)/floor && $(RUN) eval.skvd --fake render=$(RECIPES)/frames $(TRIED_FAKES) --crops 16 \
		--real $(PHOTOS)/heldout --fake-labels $(RECIPES)/judge/$(RECIPES)/frames \
		--real-labels $(RECIPES)/judge/$(PHOTOS)/heldout --floor $(PHOTOS)/train \
		--floor-labels $(RECIPES)/floor/$(PHOTOS)/train --out $@,judge)

$(RECIPES)/content.json: $(TRIED_MADE)
	$(RUN) eval.content --fake render=$(RECIPES)/frames $(TRIED_FAKES) --real $(PHOTOS)/heldout --out $@

$(RECIPES)/control.json: $(TRIED_MADE)
	$(RUN) eval.control --frames $(RECIPES)/frames $(TRIED_FAKES) --out $@

$(RECIPES)/tables.md: $(RECIPES)/skvd.json $(RECIPES)/content.json $(RECIPES)/control.json
	$(RUN) eval.report $^ --out $(RECIPES)/index.html
	@{ $(RUN) benchmarks.tables skvd $< && echo && $(RUN) benchmarks.tables seconds $(RECIPES)/seconds.txt; } \
		> $@.partial && mv $@.partial $@
