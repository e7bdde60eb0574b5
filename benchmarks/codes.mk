# make codes: every table and sheet of docs/vqgan.md and docs/codes.md that needs training, on two CPU cores in some
# four hours.
#
# Each stage leaves a file; the same command goes on where it was stopped. Steps, seeds, pictures and measures were
# fixed before anything was looked at.
CODES     := demo/codes
VQGAN     := $(RUN) train.vqgan --config train/runs/vqgan-samples.yaml
GPT       := $(RUN) train.codes --images $(PHOTOS)/train --validation $(PHOTOS)/heldout --height 270 --crop 128 \
	--variants 8 --batch 16 --steps 1000 --constant 0.5 --layers 6 --width 256 --heads 8 --dropout 0.1 --keep 0.9 \
	--precision auto --preview_every 500 --save_every 100
ENCODER   := $(CODES)/photos/0/model.safetensors
MAPS      := $(CODES)/maps/0/model.safetensors

$(CODES)/%: BENCH := $(CODES)
.PHONY: codes

codes: $(CODES)/tables.md
	@cat $(CODES)/tables.md

# 1. What the ways to train a VQGAN are worth: 300 steps; three seeds each, one of the codebook that is left alone.
WAYS := as-given no-warm-up legacy-beta
CHANGES_as-given       :=
CHANGES_no-warm-up     := --critic_warmup 0
CHANGES_legacy-beta    := --legacy_beta true
CHANGES_plain-codebook := --kmeans 0 --restart_below 0
WAYS_OF := $(foreach way,$(WAYS),$(foreach seed,0 1 2,$(way)/$(seed))) plain-codebook/0

$(WAYS_OF:%=$(CODES)/ways/%/done): $(CODES)/ways/%/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(VQGAN) --steps 300 --gan_start 100 --critic_warmup 50 $(CHANGES_$(call name_of,$*)) \
		--seed $(notdir $*) --preview_every 300 --save_every 50 --out $(@D),ways/$*)

# 2. First stages: of photographs, of label maps of photographs, and of frames of Montezuma's Revenge.
$(CODES)/photos/0/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(VQGAN) --steps 1500 --gan_start 750 --critic_warmup 250 --save_every 50 --out $(@D),photos)

$(CODES)/labels/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(RUN) datasets.label train=$(PHOTOS)/train --count 6 --out $(@D) && $(RUN) datasets.label \
		heldout=$(PHOTOS)/heldout --clusters $(@D)/clusters.npz --out $(@D),labels)

$(CODES)/maps/0/done: $(CODES)/labels/done
	$(call timed,$(RUN) train.vqgan --content classes --images $(PHOTOS)/train --labels $(CODES)/labels/train \
		--validation $(PHOTOS)/heldout --validation_labels $(CODES)/labels/heldout --height 270 --preset vqgan-f8-small \
		--codes 64 --crop 128 --batch 4 --steps 600 --rate 5e-4 --gan_weight 0 --perceptual_weight 0 --precision auto \
		--preview_every 300 --save_every 100 --out $(@D),maps)

$(CODES)/atari/frames/done: $(VENV)/installed
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[atari]'
	$(call timed,$(RUN) app.atari --out $(@D)/train --frames 1000 --seed 0 && $(RUN) app.atari --out $(@D)/heldout \
		--frames 100 --seed 1,atari/frames)

$(CODES)/atari/0/done: $(CODES)/atari/frames/done | $(VENV)/assets
	$(call timed,$(RUN) train.vqgan --config train/runs/vqgan-atari.yaml --images $(CODES)/atari/frames/train \
		--validation $(CODES)/atari/frames/heldout --steps 600 --gan_start 300 --critic_warmup 100 --preview_every 300 \
		--save_every 50 --out $(@D),atari/0)

# 3. Transformers over the photographs' codes: given nothing, and given label maps.
$(CODES)/free/0/done: $(CODES)/photos/0/done
	$(call timed,$(GPT) --autoencoder $(ENCODER) --out $(@D),free)

$(CODES)/by-maps/0/done: $(CODES)/photos/0/done $(CODES)/maps/0/done
	$(call timed,$(GPT) --autoencoder $(ENCODER) --condition maps --condition_autoencoder $(MAPS) \
		--labels $(CODES)/labels/train --validation_labels $(CODES)/labels/heldout --out $(@D),by-maps)

# 4. Drawn: sheets at four temperatures; pictures by maps and by nothing, at the scale of training; lower halves, and
# whole pictures anew.
SAMPLE = $(RUN) app.sample $(<D)/model.safetensors --autoencoder $(ENCODER) --seed 0 --out $(@D) --overwrite
SCALE  := --size 352x264 --step 8

$(CODES)/drawn/sheets/done: $(CODES)/free/0/done
	mkdir -p $(@D) && $(SAMPLE) --temperature 0.5 1 1.5 2 > $(@D)/entropy.txt && cat $(@D)/entropy.txt && touch $@

$(CODES)/drawn/free/done: $(CODES)/free/0/done
	$(call timed,$(SAMPLE) --count 37 $(SCALE),drawn/free)

$(CODES)/drawn/by-maps/done: $(CODES)/by-maps/0/done
	$(call timed,$(SAMPLE) --condition $(CODES)/labels/heldout --condition-autoencoder $(MAPS) $(SCALE),drawn/by-maps)

$(CODES)/given/done: $(VENV)/installed
	$(RUN) benchmarks.code_pictures prepare $(PHOTOS)/heldout $(@D) && touch $@

$(CODES)/drawn/half/done: $(CODES)/free/0/done $(CODES)/given/done
	$(call timed,$(SAMPLE) --complete $(CODES)/given/truth --step 8,drawn/half)

$(CODES)/drawn/whole/done: $(CODES)/free/0/done $(CODES)/given/done
	$(call timed,$(SAMPLE) --complete $(CODES)/given/truth --mask $(CODES)/given/white --step 8,drawn/whole)

$(CODES)/agreement.md: $(CODES)/drawn/free/done $(CODES)/drawn/by-maps/done
	$(RUN) datasets.label by-maps=$(CODES)/drawn/by-maps --clusters $(CODES)/labels/clusters.npz --out $(CODES)/seen
	$(RUN) datasets.label free=$(CODES)/drawn/free --clusters $(CODES)/labels/clusters.npz --out $(CODES)/seen
	$(RUN) benchmarks.code_pictures agreement $(CODES)/labels/heldout $(CODES)/seen/by-maps $(CODES)/seen/free > $@.partial
	mv $@.partial $@

# Lower halves alone: the upper ones are the truth's own codes where a half was completed.
LOWER := $(CODES)/lower

$(LOWER)/done: $(CODES)/drawn/half/done $(CODES)/drawn/whole/done
	for made in drawn/half drawn/whole given/truth; do \
		$(RUN) benchmarks.code_pictures lower $(CODES)/$$made $(LOWER)/$${made#*/} || exit; done
	touch $@

$(CODES)/halves.json: $(LOWER)/done
	$(RUN) eval.content --truth $(LOWER)/truth --fake anew=$(LOWER)/whole --fake completed=$(LOWER)/half --out $@

# 5. Frames of the game as codes of photographs, as they are and with the least likely tenth drawn anew, beside grade and
# two networks; judged as docs/results.md judges.
MADE_BY := decoded redrawn grade hr-small lite

$(CODES)/frames/decoded/done: $(CODES)/photos/0/done
	$(call timed,$(RUN) app.enhance $(ENCODER) $(FRAMES)/heldout --out $(@D) --overwrite,frames/decoded)

$(CODES)/frames/redrawn/done: $(CODES)/free/0/done
	$(call timed,$(RUN) app.enhance $(ENCODER) $(FRAMES)/heldout --prior $(<D)/model.safetensors --redraw 0.1 --out $(@D) \
		--overwrite,frames/redrawn)

$(CODES)/frames/grade/done: $(VENV)/installed
	$(call timed,$(RUN) eval.baselines grade --source $(FRAMES)/heldout --target $(PHOTOS)/train --out $(@D) \
		--overwrite,frames/grade)

$(CODES)/frames/%/done: models/supertuxkart-%.safetensors $(VENV)/installed
	$(call timed,$(RUN) app.enhance $< $(FRAMES)/heldout --out $(@D) --overwrite,frames/$*)

IN_CODES := $(foreach made,$(MADE_BY),--fake $(made)=$(CODES)/frames/$(made))
MADE_ALL := $(MADE_BY:%=$(CODES)/frames/%/done)
RENDERED := --fake render=$(FRAMES)/heldout

$(CODES)/skvd.json: $(MADE_ALL)
	$(RUN) datasets.label $(FRAMES)/heldout $(PHOTOS)/heldout --count 6 --out $(CODES)/judge
	$(RUN) eval.skvd $(RENDERED) $(IN_CODES) --real $(PHOTOS)/heldout --fake-labels $(CODES)/judge/frames/heldout \
		--real-labels $(CODES)/judge/photos/heldout --crops 16 --out $@

$(CODES)/content.json: $(MADE_ALL)
	$(RUN) eval.content $(RENDERED) $(IN_CODES) --real $(PHOTOS)/heldout --out $@

$(CODES)/control.json: $(MADE_ALL)
	$(RUN) eval.control --frames $(FRAMES)/heldout $(IN_CODES) --out $@

STAGES := photos/0 atari/0 maps/0 free/0 by-maps/0

$(CODES)/tables.md: $(WAYS_OF:%=$(CODES)/ways/%/done) $(STAGES:%=$(CODES)/%/done) \
		$(CODES)/drawn/sheets/done $(CODES)/agreement.md $(foreach r,halves skvd content control,$(CODES)/$(r).json)
	$(RUN) eval.report $(foreach r,skvd content control,$(CODES)/$(r).json) --out $(CODES)/index.html
	@{ set -e; echo '### Ways to train'; $(RUN) benchmarks.tables validation $(WAYS_OF:%=$(CODES)/ways/%); \
		for stage in $(STAGES); do echo; echo "### $$stage"; $(RUN) benchmarks.tables validation $(CODES)/$$stage; done; echo; \
		echo '### Sheets'; cat $(CODES)/drawn/sheets/entropy.txt; echo; echo '### Maps'; cat $(CODES)/agreement.md; echo; \
		echo '### Halves'; $(RUN) benchmarks.tables scores $(CODES)/halves.json; echo; \
		echo '### Frames'; $(RUN) benchmarks.tables skvd $(CODES)/skvd.json; \
		$(RUN) benchmarks.tables scores $(CODES)/content.json; echo; cat $(CODES)/seconds.txt; echo; \
		$(RUN) benchmarks.tables seconds $(CODES)/seconds.txt; } > $@.partial && mv $@.partial $@
