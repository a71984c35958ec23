"""The one rotation between the axes of files and ours."""

import numpy as np

# Object space (Z up) from glTF or OBJ space (Y up): (x, y, z) -> (x, -z, y), for column vectors.
Z_UP_FROM_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
Y_UP_FROM_Z_UP = Z_UP_FROM_Y_UP.T
