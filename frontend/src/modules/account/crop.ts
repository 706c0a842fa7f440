/** A square cut out of a picture: where its middle is, in the picture's pixels, and how wide it is. */
export interface Crop {
  x: number;
  y: number;
  side: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The largest square, in the middle. */
export function wholeCrop({ width, height }: Size): Crop {
  return { x: width / 2, y: height / 2, side: Math.min(width, height) };
}

/** The same square inside of the picture. */
export function clamp({ x, y, side }: Crop, { width, height }: Size): Crop {
  const half = side / 2;
  return {
    side,
    x: Math.min(Math.max(x, half), width - half),
    y: Math.min(Math.max(y, half), height - half),
  };
}

/** Zoomed in by `zoom` (1: the largest square) around the same middle. */
export function zoomed(crop: Crop, size: Size, zoom: number): Crop {
  const side = Math.min(size.width, size.height) / Math.max(1, zoom);
  return clamp({ ...crop, side }, size);
}
