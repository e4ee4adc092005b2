"""OpenVINO: Intel's library for x86 processors of every maker, and for Intel's GPUs and NPUs."""
