import type { Random } from '../random.ts';
import { paintOf } from './paint.ts';
import { fontFamily } from './pixels.ts';
import { drawPlate, plateSheet } from './plate.ts';
import type { Vehicle } from './vehicle.ts';
import { css, heightPx, type Point, project, type View, widthPx } from './view.ts';

/** The hour's tint and the lamps' pool of light around `subject`. */
export function drawHour(view: View, subject: Point): void {
  const { pen, light, camera } = view;
  if (light.tint === undefined) return;
  const [x, y] = project(camera, subject);
  pen.globalCompositeOperation = 'multiply';
  if (light.lamps) {
    const pool = pen.createRadialGradient(x + 60, y - 40, 140, x + 60, y - 40, 640);
    pool.addColorStop(0, css(light.tint.near));
    pool.addColorStop(1, css(light.tint.far));
    pen.fillStyle = pool;
  } else pen.fillStyle = css(light.tint.near);
  pen.fillRect(0, 0, widthPx, heightPx);
  pen.globalCompositeOperation = 'source-over';
}

/** A corner of the picture that shows the plate at the vehicle's other end. */
export function drawOtherEnd({ pen }: View, { plate, plateState, colour }: Vehicle, chance: Random): void {
  pen.save();
  pen.translate(14, 14);
  pen.fillStyle = '#f2f4f6';
  pen.fillRect(0, 0, 236, 176);
  pen.fillStyle = css(paintOf(colour), 0.9);
  pen.fillRect(4, 4, 228, 140);
  pen.fillStyle = css([34, 34, 38]);
  pen.fillRect(4, 4, 228, 34);
  pen.fillRect(4, 122, 228, 22);
  pen.fillStyle = css([24, 26, 30]);
  pen.font = `20px "${fontFamily}"`;
  pen.textAlign = 'center';
  pen.fillText('OTHER END', 118, 166);
  pen.translate(48, 46);
  pen.scale(140 / plateSheet[0], 140 / plateSheet[0]);
  drawPlate(pen, plate, plateState, 'none', chance);
  pen.restore();
}

/** What the camera writes into its pictures: the hour, and that it is the second one. */
export function drawCaption({ pen }: View, hour: number, look: 1 | 2): void {
  const clock = hour % 12 === 0 ? 12 : hour % 12;
  const text = `${clock}:00 - ${clock}:59 ${hour < 12 ? 'AM' : 'PM'}${look === 2 ? '   SECOND LOOK' : ''}`;
  pen.font = `22px "${fontFamily}"`;
  pen.textAlign = 'left';
  pen.fillStyle = 'rgba(10,12,16,0.62)';
  pen.fillRect(14, heightPx - 46, look === 2 ? 372 : 190, 32);
  pen.fillStyle = '#f2f4f6';
  pen.fillText(text, 24, heightPx - 22);
}
