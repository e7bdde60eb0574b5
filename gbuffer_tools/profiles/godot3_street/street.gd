# Builds the street that street.json describes, and drives a camera along it: the same picture for the same frame.
extends Spatial

var camera: Camera
var path: Dictionary
var frame := 0


func _ready() -> void:
	var file := File.new()
	file.open("res://street.json", File.READ)
	var street: Dictionary = parse_json(file.get_as_text())
	file.close()
	var materials := {}
	for name in street.materials:
		materials[name] = material(street.materials[name])
	for thing in street.things:
		place(thing, materials[thing.material])
	light()
	path = street.camera
	camera = Camera.new()
	add_child(camera)
	camera.fov = path.fov
	camera.near = path.near
	camera.far = path.far
	camera.environment = environment()
	camera.current = true
	drive()


func _process(_delta: float) -> void:
	frame += 1
	drive()


# Frames are counted, not timed. The path is a straight line, walked to its end and back at its beginning.
func drive() -> void:
	var step := float(frame % int(path.frames))
	camera.translation = vector(path.start) + vector(path.step) * step
	camera.rotation_degrees = Vector3(path.pitch, path.yaw, 0)


func material(told: Dictionary) -> SpatialMaterial:
	var made := SpatialMaterial.new()
	made.albedo_texture = picture("res://textures/%s.ppm" % told.texture)
	made.roughness = told.roughness
	made.metallic = told.metallic
	made.uv1_scale = Vector3(told.repeat[0], told.repeat[1], 1)
	return made


# A text PPM (P3, 8 bits); Godot reads none, and image files that it reads are not text.
func picture(name: String) -> ImageTexture:
	var file := File.new()
	file.open(name, File.READ)
	var words := file.get_as_text().replace("\n", " ").split(" ", false)
	file.close()
	var bytes := PoolByteArray()
	for i in range(4, words.size()):
		bytes.append(int(words[i]))
	var image := Image.new()
	image.create_from_data(int(words[1]), int(words[2]), false, Image.FORMAT_RGB8, bytes)
	var texture := ImageTexture.new()
	texture.create_from_image(image, Texture.FLAG_REPEAT | Texture.FLAG_MIPMAPS)
	return texture


func place(thing: Dictionary, look: SpatialMaterial) -> void:
	var instance := MeshInstance.new()
	instance.mesh = shape(thing)
	instance.translation = vector(thing.at)
	instance.material_override = look
	add_child(instance)


func shape(thing: Dictionary) -> PrimitiveMesh:
	if thing.shape == "plane":
		var plane := PlaneMesh.new()
		plane.size = Vector2(thing.size[0], thing.size[1])
		return plane
	if thing.shape == "box":
		var box := CubeMesh.new()
		box.size = vector(thing.size)
		return box
	if thing.shape == "cylinder":
		var cylinder := CylinderMesh.new()
		cylinder.top_radius = thing.radius
		cylinder.bottom_radius = thing.radius
		cylinder.height = thing.height
		return cylinder
	var sphere := SphereMesh.new()
	sphere.radius = thing.radius
	sphere.height = 2 * thing.radius
	sphere.radial_segments = 128
	sphere.rings = 64
	return sphere


func light() -> void:
	var sun := DirectionalLight.new()
	sun.rotation_degrees = Vector3(-50, -30, 0)
	sun.shadow_enabled = true
	add_child(sun)


# Ambient occlusion is what makes Godot 3 write a G-buffer: normals and roughness beside the light.
func environment() -> Environment:
	var made := Environment.new()
	made.background_mode = Environment.BG_SKY
	made.background_sky = ProceduralSky.new()
	made.ssao_enabled = true
	made.tonemap_mode = Environment.TONE_MAPPER_FILMIC
	return made


func vector(numbers: Array) -> Vector3:
	return Vector3(numbers[0], numbers[1], numbers[2])
