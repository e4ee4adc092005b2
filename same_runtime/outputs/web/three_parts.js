export {
  AmbientLight, CapsuleGeometry, Color, DirectionalLight, GridHelper, Mesh, MeshStandardMaterial,
  PerspectiveCamera, Scene, SphereGeometry, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
