"""A small BVH file."""

BVH = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT knee
  {
    OFFSET 0 -40 1
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -41 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.00833333
1 2 3 10 20 30 40 50 60
4 5 6 0 0 0 0 0 90
"""
