// What three.min.js holds: npm install three@0.187 esbuild && npx esbuild three_parts.js --bundle
// --minify --format=esm --outfile=three.min.js
export {
  AmbientLight, CapsuleGeometry, Color, DirectionalLight, GridHelper, Mesh, MeshStandardMaterial,
  PerspectiveCamera, Quaternion, Scene, SphereGeometry, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
