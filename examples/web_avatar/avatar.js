// Drives the bones of a GLB or VRM 1.0 avatar by world rotations from the T-pose.
import {
  AmbientLight, Color, DirectionalLight, GLTFLoader, GridHelper, OrbitControls, PerspectiveCamera,
  Quaternion, Scene, Vector3, WebGLRenderer,
} from "/three.min.js";

// Joint -> bone of a VRM humanoid; avatars with JOINT_NAMES need no map.
const VRM_BONES = {
  pelvis: "hips", spine1: "spine", spine2: "chest", spine3: "upperChest", neck: "neck", head: "head",
};
for (const side of ["left", "right"]) {
  Object.assign(VRM_BONES, {
    [`${side}_collar`]: `${side}Shoulder`, [`${side}_shoulder`]: `${side}UpperArm`,
    [`${side}_elbow`]: `${side}LowerArm`, [`${side}_wrist`]: `${side}Hand`,
    [`${side}_hip`]: `${side}UpperLeg`, [`${side}_knee`]: `${side}LowerLeg`,
    [`${side}_ankle`]: `${side}Foot`, [`${side}_foot`]: `${side}Toes`,
  });
}

const canvas = document.querySelector("canvas");
const renderer = new WebGLRenderer({ canvas, antialias: true });
const scene = new Scene();
scene.background = new Color(0x16181d);
const sun = new DirectionalLight(0xffffff, 2);
sun.position.set(1, 3, 2);
scene.add(new AmbientLight(0xffffff, 1.4), sun, new GridHelper(8, 16, 0x57606a, 0x343a46));
const camera = new PerspectiveCamera(45, 1, 0.05, 100);
camera.position.set(1, 1.5, 3.2);
const controls = new OrbitControls(camera, canvas);
controls.target.set(0, 0.9, 0);

const gltf = await new GLTFLoader().loadAsync("/avatar.glb");
scene.add(gltf.scene);
const bones = await humanoid(gltf);
const rest = {};
gltf.scene.updateMatrixWorld(true);
for (const [joint, bone] of bones) rest[joint] = bone.getWorldQuaternion(new Quaternion());
const legs = length("left_hip", "left_knee") + length("left_knee", "left_ankle");

/** [joint, bone] pairs, parents before their children. */
async function humanoid({ scene: root, parser }) {
  const named = new Map();
  const vrm = parser.json.extensions?.VRMC_vrm?.humanoid?.humanBones;
  for (const [joint, name] of Object.entries(VRM_BONES)) {
    const node = vrm?.[name]?.node;
    const bone = node === undefined ? root.getObjectByName(joint) : await parser.getDependency("node", node);
    if (bone) named.set(bone, joint);
  }
  const found = [];
  root.traverse((object) => { if (named.has(object)) found.push([named.get(object), object]); });
  if (!found.some(([joint]) => joint === "pelvis")) throw new Error("the avatar has no known bones");
  return found;
}

function length(from, to) {
  const ends = [from, to].map((joint) => bones.find(([name]) => name === joint)?.[1]);
  if (!ends[0] || !ends[1]) return 0;
  const [a, b] = ends.map((bone) => bone.getWorldPosition(new Vector3()));
  return a.distanceTo(b);
}

function move(pose) {
  const turn = new Quaternion(), above = new Quaternion();
  for (const [joint, bone] of bones) {
    // World rotation of the bone: the joint's, after the bone's own in the T-pose.
    turn.fromArray(pose.turns[joint]).multiply(rest[joint]);
    bone.parent.getWorldQuaternion(above);
    bone.quaternion.copy(above.invert().multiply(turn));
    if (joint === "pelvis") {
      const scale = legs > 0 ? legs / pose.leg_m : 1;
      bone.position.copy(bone.parent.worldToLocal(new Vector3(...pose.hips).multiplyScalar(scale)));
    }
    bone.updateMatrixWorld(true);
  }
  document.body.dataset.poses = Number(document.body.dataset.poses ?? 0) + 1;
}

let newest = null;
new EventSource("/poses").onmessage = (event) => { newest = JSON.parse(event.data); };
window.bones = () => Object.fromEntries(bones.map(([joint, bone]) =>
  [joint, bone.getWorldPosition(new Vector3()).toArray()])); // for tests
renderer.setAnimationLoop(() => {
  renderer.setSize(canvas.clientWidth, canvas.clientHeight, false);
  camera.aspect = canvas.clientWidth / canvas.clientHeight;
  camera.updateProjectionMatrix();
  if (newest) move(newest);
  newest = null;
  controls.update();
  renderer.render(scene, camera);
});
