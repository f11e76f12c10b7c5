"""Regions of a mask, and what each of their pixels weighs. Shapes: H, W of the map, P pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray


def region_weights(gt_mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], int]:
    """Weigh every defect pixel by 1 / (area of its region), so that every region weighs 1.

    Regions are 8-connected (METHOD section 7). The mean overlap of regions is then the weight of
    the pixels found, divided by the number of regions.

    Args:
        gt_mask: Defect pixels, (H, W).

    Returns:
        Weights of the defect pixels in raster order, (P,), and the number of regions.

    Example:
        >>> region_weights(np.array([[True, True, False, True]]))
        (array([0.5, 0.5, 1. ]), 2)
    """
    if not gt_mask.any():
        return np.zeros(0), 0
    image = np.ascontiguousarray(gt_mask).view(np.uint8)
    found, labels = cv2.connectedComponents(image, connectivity=8, ltype=cv2.CV_32S)
    region = labels[gt_mask]
    areas = np.bincount(region)
    return 1 / areas[region], found - 1
