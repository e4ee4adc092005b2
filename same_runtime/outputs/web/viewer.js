// The page of `same-track --view`: draws what /events sends.
import {
  AmbientLight, CapsuleGeometry, Color, DirectionalLight, GridHelper, Mesh, MeshStandardMaterial,
  OrbitControls, PerspectiveCamera, Scene, SphereGeometry, Vector3, WebGLRenderer,
} from "/three.min.js";
import { Timeline } from "/timeline.js";

const at = (id) => document.getElementById(id);
const COLOURS = { left: 0x4da3ff, right: 0xff9e4d, middle: 0xf2f2f2, planted: 0x39d98a };
const UP = new Vector3(0, 1, 0);

const renderer = new WebGLRenderer({ canvas: at("body"), antialias: true });
renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
const scene = new Scene();
scene.background = new Color(0x16181d);
const camera = new PerspectiveCamera(45, 1, 0.05, 100);
const controls = new OrbitControls(camera, at("body"));
scene.add(new AmbientLight(0xffffff, 1.4));
const sun = new DirectionalLight(0xffffff, 2);
sun.position.set(1, 3, 2);
scene.add(sun);
const floor = new GridHelper(8, 16, 0x57606a, 0x343a46);
scene.add(floor);

let skeleton = null; // of the `about` event: names, parents, floor
let bones = [], balls = [];
let following = true, placed = false;
let drawn = null;
const timeline = new Timeline();

function material(name) {
  const side = name.startsWith("left") ? "left" : name.startsWith("right") ? "right" : "middle";
  return new MeshStandardMaterial({ color: COLOURS[side], roughness: 0.6 });
}

function build(about) {
  for (const mesh of [...bones, ...balls]) if (mesh) scene.remove(mesh);
  skeleton = about;
  floor.position.y = about.ground_y;
  bones = about.names.map((name, joint) => {
    if (about.parents[joint] < 0) return null;
    const mesh = new Mesh(new CapsuleGeometry(0.028, 1, 3, 10), material(name));
    scene.add(mesh);
    return mesh;
  });
  balls = about.names.map((name) => {
    const mesh = new Mesh(new SphereGeometry(name === "head" ? 0.09 : 0.035, 16, 12), material(name));
    scene.add(mesh);
    return mesh;
  });
  at("cameras").hidden = !about.images;
}

function pose(message) {
  const joints = balls.map((_, j) => new Vector3(...message.joints.slice(3 * j, 3 * j + 3)));
  joints.forEach((place, joint) => {
    balls[joint].position.copy(place);
    const bone = bones[joint];
    if (!bone) return;
    const start = joints[skeleton.parents[joint]];
    const along = place.clone().sub(start);
    bone.position.copy(start).addScaledVector(along, 0.5);
    bone.scale.y = Math.max(along.length() - 0.03, 0.01);
    bone.quaternion.setFromUnitVectors(UP, along.normalize());
  });
  ["left_foot", "right_foot"].forEach((name, side) => {
    const foot = balls[skeleton.names.indexOf(name)].material;
    const resting = side === 0 ? COLOURS.left : COLOURS.right;
    foot.color.set(message.contacts[side] > 0.5 ? COLOURS.planted : resting);
  });
  const opacity = message.status === "INVALID" ? 0.35 : 1;
  for (const mesh of [...bones, ...balls]) {
    if (!mesh) continue;
    mesh.material.transparent = opacity < 1;
    mesh.material.opacity = opacity;
  }
  const middle = joints[0].clone().setY(skeleton.ground_y + 0.9);
  if (!placed) {
    controls.target.copy(middle);
    // In front of the body, a little to its side and from above.
    const right = joints[skeleton.names.indexOf("right_hip")].clone()
      .sub(joints[skeleton.names.indexOf("left_hip")]).setY(0).normalize();
    const ahead = new Vector3().crossVectors(UP, right);
    const distance = camera.aspect < 1 ? 4.2 : 3.2;
    camera.position.copy(middle).addScaledVector(ahead, distance).addScaledVector(right, 1.2);
    camera.position.y += 0.6;
    placed = true;
  } else if (following) {
    const step = middle.sub(controls.target).multiplyScalar(0.1);
    controls.target.add(step);
    camera.position.add(step);
  }
}

function words(message) {
  at("status").textContent = message.status;
  at("status").dataset.status = message.status;
  at("figures").textContent =
    `${message.time_s.toFixed(2)} s · ${message.latency_ms.toFixed(1)} ms`;
  const lines = message.reasons.map(([name, meaning]) => {
    const line = document.createElement("li");
    line.textContent = `${name}: ${meaning}`;
    return line;
  });
  at("reasons").replaceChildren(...lines);
}

function streams(message) {
  const rows = message.rows.map(([name, health, rate]) => {
    const row = document.createElement("tr");
    [name, health, rate].forEach((text) => { row.insertCell().textContent = text; });
    row.cells[1].className = health;
    return row;
  });
  at("streams").querySelector("tbody").replaceChildren(...rows);
}

function projected(view, pixels) {
  const image = new Image();
  image.onload = () => {
    const canvas = at(view), pen = canvas.getContext("2d");
    canvas.width = image.width;
    canvas.height = image.height;
    pen.drawImage(image, 0, 0);
    pen.lineWidth = Math.max(1, image.width / 160);
    pixels.forEach((pixel, joint) => {
      const parent = pixels[skeleton.parents[joint]];
      if (!pixel || !parent) return;
      pen.strokeStyle = `#${bones[joint].material.color.getHexString()}`;
      pen.beginPath();
      pen.moveTo(pixel[0] * image.width, pixel[1] * image.height);
      pen.lineTo(parent[0] * image.width, parent[1] * image.height);
      pen.stroke();
    });
  };
  image.src = `/image/${view}.jpg?${performance.now()}`;
}

const events = new EventSource("/events");
events.addEventListener("about", (event) => build(JSON.parse(event.data)));
events.addEventListener("pose", (event) => timeline.add(JSON.parse(event.data)));
events.addEventListener("streams", (event) => streams(JSON.parse(event.data)));
events.addEventListener("pixels", (event) => {
  const message = JSON.parse(event.data);
  for (const view of ["left", "right"]) if (message[view]) projected(view, message[view]);
});
events.onerror = () => {
  at("status").textContent = "not connected";
  at("status").dataset.status = "NONE";
};

const asked = {
  "?": () => { at("help").hidden = !at("help").hidden; },
  f: () => { following = !following; },
  r: () => { placed = false; following = true; drawn = null; },
  s: () => { at("streams").open = !at("streams").open; },
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (asked[event.key]) asked[event.key]();
  else timeline.key(event);
});
at("ask").addEventListener("click", asked["?"]);
if (matchMedia("(max-width: 700px)").matches) at("streams").open = false;

renderer.setAnimationLoop(() => {
  const { clientWidth: width, clientHeight: height } = at("body");
  if (width !== drawn?.width || height !== drawn?.height) {
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
  }
  const message = timeline.shown();
  if (skeleton && message && message !== drawn?.message) {
    words(message);
    if (message.joints) pose(message);
  }
  drawn = { message, width, height };
  controls.update();
  renderer.render(scene, camera);
});
