# make upscalers: every table of docs/upscaling.md that needs training, on two CPU cores in some three hours.
#
# Each stage leaves a file; the same command goes on where it was stopped. Steps, seeds, pictures and measures were
# fixed before anything was looked at. `make game` installs what the game's frames need.
UP        := demo/upscalers
UPSCALER  := $(RUN) train.upscaler
PLUS      := realesrgan-x4plus
PUBLISHED := $(PLUS) realesrgan-x4plus-anime realesr-animevideov3
CACHE     := $(or $(PHOTOREAL_CACHE),$(HOME)/.cache/photorealism-enhancement)

$(UP)/%: BENCH := $(UP)
.PHONY: upscalers

upscalers: $(UP)/tables.md
	@cat $(UP)/tables.md

# 1. The transformer by three losses of pixels, three seeds each; trained on all samples but those of heldout/.
LOSSES     := l1 edge_weighted edges
FROM_NOISE := $(foreach loss,$(LOSSES),$(foreach seed,0 1 2,$(loss)/$(seed)))
SMALL_NET  := --preset dual-attention-x4-small --degradation resampled --images $(PHOTOS) --held_out '["heldout"]' \
	--crop 128 --batch 4 --precision auto --workers 1

$(FROM_NOISE:%=$(UP)/transformer/%/done): $(UP)/transformer/%/done: $(VENV)/installed | $(VENV)/assets
	$(call timed,$(UPSCALER) $(SMALL_NET) --pixels $(call name_of,$*) --seed $(notdir $*) --steps 600 \
		--rate 4e-4 --constant 0.5 --beta1 0.9 --preview_every 600 --save_every 200 --out $(@D),transformer/$*)

# Then 500 steps against a discriminator, from the first seed of L1 at edges.
$(UP)/transformer/gan/0/done: $(UP)/transformer/edge_weighted/0/done
	$(call timed,$(UPSCALER) $(SMALL_NET) --initial $(<D)/model.safetensors --steps 500 --rate 1e-4 --critic_rate 1e-4 --pixels edge_weighted \
		--perceptual_weight 1 --gan_weight 0.1 --preview_every 250 --save_every 100 --out $(@D),transformer/gan)

$(UP)/photos/small/done: $(VENV)/installed
	$(call timed,$(RUN) datasets.degrade $(PHOTOS)/heldout --degradation resampled --out $(UP)/photos --overwrite,degrade)

# 2. Fine-tuning one layer of x4plus on buildings and streets, in the two stages that were published, a fiftieth of
# their steps; another layer for as many steps as the first stage; all judged on other buildings and streets. Each photograph shows a scene of its own.
BUILT_TRAIN := ajanta-cave aula-palatina charminar chateau-de-chenonceau chenonceau-river city-boulevard-185 \
	city-cyclist-116 eiffel-tower great-wall-of-china konark-sun-temple mont-st-michel mysore-palace petra qutub-minar \
	reims-cathedral road-before-storm summer-palace victoria-memorial
BUILT_HELD  := arles-amphitheater berlin-cathedral castle-maintenon chateau-de-chambord christ-the-redeemer \
	cite-de-carcassonne city-pavement-230 colosseum egeskov eilean-donan fort-sumter golden-temple hawa-mahal nagoya \
	neuschwanstein-castle palais-des-papes pont-du-gard rang-ghar rocamadour schwerin-palace taj-mahal \
	trier-imperial-baths worms-cathedral
TUNING      := --images $(UP)/built --held_out '["heldout"]' --device cpu --precision auto --crop 128 --batch 4 \
	--workers 1 --preview_every 500 --save_every 50

$(UP)/built/done: $(VENV)/installed | $(VENV)/assets
	mkdir -p $(UP)/built/train $(UP)/built/heldout
	cp $(BUILT_TRAIN:%=$(PHOTOS)/train/%.jpg) $(UP)/built/train
	cp $(BUILT_HELD:%=$(PHOTOS)/heldout/%.jpg) $(UP)/built/heldout
	for asset in $(PUBLISHED); do $(RUN) app.assets fetch $$asset || exit; done
	touch $@

$(UP)/tuned/last-layer/done: $(UP)/built/done
	$(call timed,$(UPSCALER) --config train/runs/upscaler-last-layer.yaml $(TUNING) --steps 180 \
		--initial $(CACHE)/$(PLUS).safetensors --out $(@D),tuned/last-layer)

$(UP)/tuned/last-layer-slow/done: $(UP)/tuned/last-layer/done
	$(call timed,$(UPSCALER) --config train/runs/upscaler-last-layer-slow.yaml $(TUNING) --steps 300 \
		--initial $(<D)/model.safetensors --critic $(<D)/critic.safetensors --out $(@D),tuned/last-layer-slow)

$(UP)/tuned/early-layer/done: $(UP)/built/done
	$(call timed,$(UPSCALER) --config train/runs/upscaler-early-layer.yaml $(TUNING) --steps 180 \
		--initial $(CACHE)/$(PLUS).safetensors --out $(@D),tuned/early-layer)

# Small pictures as x4plus was trained to enlarge.
$(UP)/buildings/small/done: $(UP)/built/done
	$(call timed,$(RUN) datasets.degrade $(UP)/built/heldout --degradation second_order --out $(UP)/buildings \
		--overwrite,degrade)

# 3. The game in both sizes: six tracks, two held out. `basic` on both sides, as shadows differ with the size.
GAME_TRAIN := candela_city cornfield_crossing gran_paradiso_island scotland
GAME_HELD  := sandtrack volcano_island
GUIDED     := --images $(UP)/game/train/high --small $(UP)/game/train/low --degradation render --crop 128 --batch 4 \
	--steps 800 --workers 1 --preview_every 400 --save_every 100

$(UP)/game/%/done: $(VENV)/installed
	$(call timed,$(RUN) gbuffer_tools.pairs --low basic --high basic --samples 4 --size 320x180 --step 60 --count 8 \
		--discard $(foreach track,$(if $(filter train,$*),$(GAME_TRAIN),$(GAME_HELD)),--track $(track)) --out $(@D),game/$*)

$(UP)/guided/%/done: $(UP)/game/train/done
	$(call timed,$(UPSCALER) --config train/runs/upscaler-guided.yaml $(GUIDED) --seed $* --out $(@D),guided/$*)

# The transformer on the same pairs, without guides.
$(UP)/unguided/%/done: $(UP)/game/train/done
	$(call timed,$(UPSCALER) $(GUIDED) --preset dual-attention-x4-small --precision auto --rate 4e-4 --constant 0.5 \
		--seed $* --out $(@D),unguided/$*)

# 4. Pictures, and what is measured of them.
SETS         := photos buildings game
ON_photos    := $(FROM_NOISE:%=transformer/%) transformer/gan/0
ON_buildings := tuned/last-layer tuned/last-layer-slow tuned/early-layer
ON_game      := $(foreach seed,0 1 2,guided/$(seed) unguided/$(seed)) transformer/edge_weighted/0
GAME_LARGE   := $(UP)/game/heldout/high

small_of = $(if $(filter game,$(1)),$(UP)/game/heldout/low,$(UP)/$(1)/small)
ready_of = $(if $(filter game,$(1)),$(UP)/game/heldout/done,$(UP)/$(1)/small/done)
flat     = $(subst /,-,$(1))
made     = $(UP)/made/$(1)/$(call flat,$(2))

$(foreach s,$(SETS),$(foreach n,$(ON_$(s)),$(eval $(call made,$(s),$(n))/done: $(UP)/$(n)/done $(call ready_of,$(s)) ; \
	$$(RUN) app.upscale $$(<D)/model.safetensors $(call small_of,$(s)) \
		$(if $(filter guided/%,$(n)),--guides $(GAME_LARGE)) --out $$(@D) --overwrite && touch $$@)))
$(foreach s,$(SETS),$(foreach n,$(PUBLISHED),$(eval $(call made,$(s),$(n))/done: $(call ready_of,$(s)) $(UP)/built/done ; \
	$$(RUN) app.upscale $(n) $(call small_of,$(s)) --out $$(@D) --overwrite && touch $$@)))
$(foreach s,$(SETS),$(eval $(call made,$(s),bicubic)/done: $(call ready_of,$(s)) ; \
	$$(RUN) eval.baselines bicubic --source $(call small_of,$(s)) --out $$(@D) --overwrite && touch $$@))

# The first is what others are compared with, picture by picture.
ROWS_photos    := bicubic $(ON_photos) $(PUBLISHED)
ROWS_buildings := $(PLUS) bicubic $(ON_buildings)
ROWS_game      := bicubic $(ON_game) $(PUBLISHED)
# Guided against all that is not, and the losses against each other: the first seed is what others are compared with.
AGAINST_game   := guided-0
AGAINST_photos := transformer-edge_weighted-0
large_of        = $(if $(filter game,$(1)),$(GAME_LARGE),$(UP)/$(1)/large)

# The originals' own NIQE stands beside what was made of photographs.
$(foreach s,$(SETS),$(eval $(UP)/$(s).json: $(foreach n,$(ROWS_$(s)),$(call made,$(s),$(n))/done) ; \
	$$(RUN) eval.content --truth $(call large_of,$(s)) \
		$(if $(filter photos buildings,$(s)),--real $(call large_of,$(s))) $(foreach n,$(ROWS_$(s)),--fake \
		$(call flat,$(n))=$(call made,$(s),$(n))) --out $$@))

$(UP)/tables.md: $(foreach s,$(SETS),$(UP)/$(s).json)
	$(RUN) eval.report $^ --out $(UP)/index.html
	@{ set -e; for name in $(SETS); do echo "### $$name"; $(RUN) benchmarks.tables scores $(UP)/$$name.json; echo; done; \
		for name in $(SETS); do echo "### differences: $$name"; \
		$(RUN) benchmarks.tables differences $(UP)/$$name.json; echo; done; \
		$(foreach s,game photos,echo "### differences: $(s)"; \
		$(RUN) benchmarks.tables differences $(UP)/$(s).json --against $(AGAINST_$(s)); echo; ) \
		$(RUN) benchmarks.tables seconds $(UP)/seconds.txt; } > $@.partial && mv $@.partial $@
