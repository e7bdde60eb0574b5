# make codes: every table and sheet of docs/vqgan.md and docs/codes.md that needs training, on two CPU cores in some
# five hours.
#
# Each stage leaves a file; the same command goes on where it was stopped. Steps, seeds, pictures and measures were
# fixed before anything was looked at.
CODES     := demo/codes
VQGAN     := $(RUN) train.vqgan --config train/runs/vqgan-samples.yaml
GPT       := $(RUN) train.codes --images $(PHOTOS)/train --validation $(PHOTOS)/heldout --height 270 --crop 128 \
	--variants 8 --batch 16 --steps 1500 --constant 0.5 --layers 6 --width 256 --heads 8 --dropout 0.1 --keep 0.9 \
	--precision auto --preview_every 500 --save_every 100
ENCODER   := $(CODES)/photos/model.safetensors

$(CODES)/%: BENCH := $(CODES)
.PHONY: codes

codes: $(CODES)/tables.md
	@cat $(CODES)/tables.md

# 1. What the ways to train a VQGAN are worth: 600 steps, three seeds each.
WAYS := as-given no-warm-up legacy-beta plain-codebook
CHANGES_as-given       :=
CHANGES_no-warm-up     := --critic_warmup 0
CHANGES_legacy-beta    := --legacy_beta true
CHANGES_plain-codebook := --kmeans 0 --restart_below 0
WAYS_OF := $(foreach way,$(WAYS),$(foreach seed,0 1 2,$(way)/$(seed)))

$(WAYS_OF:%=$(CODES)/ways/%/done): $(CODES)/ways/%/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(VQGAN) --steps 600 --gan_start 200 --critic_warmup 100 $(CHANGES_$(call name_of,$*)) \
		--seed $(notdir $*) --preview_every 300 --save_every 100 --out $(@D),ways/$*)

# 2. First stages: of photographs, of label maps of photographs, and of frames of Montezuma's Revenge.
$(CODES)/photos/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(VQGAN) --save_every 100 --out $(@D),photos)

$(CODES)/labels/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(RUN) datasets.label train=$(PHOTOS)/train --count 6 --out $(@D) && $(RUN) datasets.label \
		heldout=$(PHOTOS)/heldout --clusters $(@D)/clusters.npz --out $(@D),labels)

$(CODES)/maps/done: $(CODES)/labels/done
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
		--validation $(CODES)/atari/frames/heldout --save_every 100 --out $(@D),atari)

# 3. Transformers over the photographs' codes: given nothing, and given label maps.
$(CODES)/free/done: $(CODES)/photos/done
	$(call timed,$(GPT) --autoencoder $(ENCODER) --out $(@D),free)

$(CODES)/by-maps/done: $(CODES)/photos/done $(CODES)/maps/done
	$(call timed,$(GPT) --autoencoder $(ENCODER) --condition maps --condition_autoencoder $(CODES)/maps/model.safetensors \
		--labels $(CODES)/labels/train --validation_labels $(CODES)/labels/heldout --out $(@D),by-maps)

# 4. Drawn: sheets at four temperatures; pictures by maps and by nothing; lower halves, and whole pictures anew.
SAMPLE = $(RUN) app.sample $(<D)/model.safetensors --autoencoder $(ENCODER) --seed 0 --out $(@D) --overwrite

$(CODES)/drawn/sheets/done: $(CODES)/free/done
	mkdir -p $(@D) && $(SAMPLE) --temperature 0.5 1 1.5 2 > $(@D)/entropy.txt && cat $(@D)/entropy.txt && touch $@

$(CODES)/drawn/free/done: $(CODES)/free/done
	$(SAMPLE) --count 37 && touch $@

$(CODES)/drawn/by-maps/done: $(CODES)/by-maps/done
	$(SAMPLE) --condition $(CODES)/labels/heldout --condition-autoencoder $(CODES)/maps/model.safetensors --size 128x128 \
		&& touch $@

$(CODES)/given/done: $(VENV)/installed
	$(RUN) benchmarks.code_pictures prepare $(PHOTOS)/heldout $(@D) && touch $@

$(CODES)/drawn/half/done: $(CODES)/free/done $(CODES)/given/done
	$(SAMPLE) --complete $(CODES)/given/truth --step 8 && touch $@

$(CODES)/drawn/whole/done: $(CODES)/free/done $(CODES)/given/done
	$(SAMPLE) --complete $(CODES)/given/truth --mask $(CODES)/given/white --step 8 && touch $@

$(CODES)/agreement.md: $(CODES)/drawn/free/done $(CODES)/drawn/by-maps/done
	$(RUN) datasets.label by-maps=$(CODES)/drawn/by-maps --clusters $(CODES)/labels/clusters.npz --out $(CODES)/seen
	$(RUN) datasets.label free=$(CODES)/drawn/free --clusters $(CODES)/labels/clusters.npz --out $(CODES)/seen
	$(RUN) benchmarks.code_pictures agreement $(CODES)/labels/heldout $(CODES)/seen/by-maps $(CODES)/seen/free > $@.partial
	mv $@.partial $@

$(CODES)/halves.json: $(CODES)/drawn/half/done $(CODES)/drawn/whole/done
	$(RUN) eval.content --truth $(CODES)/given/truth --fake whole=$(CODES)/drawn/whole --fake half=$(CODES)/drawn/half --out $@

# 5. Frames of the game as codes of photographs, as they are and with the least likely tenth drawn anew; judged as
# docs/results.md judges.
$(CODES)/frames/decoded/done: $(CODES)/photos/done
	$(RUN) app.enhance $(ENCODER) $(FRAMES)/heldout --out $(@D) --overwrite && touch $@

$(CODES)/frames/redrawn/done: $(CODES)/free/done
	$(call timed,$(RUN) app.enhance $(ENCODER) $(FRAMES)/heldout --prior $(<D)/model.safetensors --redraw 0.1 --out $(@D) --overwrite,redrawn)

IN_CODES := --fake render=$(FRAMES)/heldout --fake decoded=$(CODES)/frames/decoded --fake redrawn=$(CODES)/frames/redrawn

$(CODES)/skvd.json: $(CODES)/frames/decoded/done $(CODES)/frames/redrawn/done
	$(RUN) datasets.label $(FRAMES)/heldout $(PHOTOS)/heldout --count 6 --out $(CODES)/judge
	$(RUN) eval.skvd $(IN_CODES) --real $(PHOTOS)/heldout --fake-labels $(CODES)/judge/frames/heldout \
		--real-labels $(CODES)/judge/photos/heldout --crops 16 --out $@

$(CODES)/content.json: $(CODES)/frames/decoded/done $(CODES)/frames/redrawn/done
	$(RUN) eval.content $(IN_CODES) --real $(PHOTOS)/heldout --out $@

$(CODES)/control.json: $(CODES)/frames/decoded/done $(CODES)/frames/redrawn/done
	$(RUN) eval.control --frames $(FRAMES)/heldout $(wordlist 3,6,$(IN_CODES)) --out $@

$(CODES)/tables.md: $(WAYS_OF:%=$(CODES)/ways/%/done) $(CODES)/atari/0/done \
		$(CODES)/drawn/sheets/done $(CODES)/agreement.md $(foreach r,halves skvd content control,$(CODES)/$(r).json)
	$(RUN) eval.report $(foreach r,skvd content control,$(CODES)/$(r).json) --out $(CODES)/index.html
	@{ set -e; echo '### Ways to train'; $(RUN) benchmarks.tables validation $(WAYS_OF:%=$(CODES)/ways/%); echo; \
		echo '### Atari'; $(RUN) benchmarks.tables validation $(CODES)/atari/0; echo; \
		echo '### Sheets'; cat $(CODES)/drawn/sheets/entropy.txt; echo; echo '### Maps'; cat $(CODES)/agreement.md; echo; \
		echo '### Halves'; $(RUN) benchmarks.tables scores $(CODES)/halves.json; echo; \
		echo '### Frames'; $(RUN) benchmarks.tables skvd $(CODES)/skvd.json; \
		$(RUN) benchmarks.tables scores $(CODES)/content.json; echo; \
		$(RUN) benchmarks.tables seconds $(CODES)/seconds.txt; } > $@.partial && mv $@.partial $@
