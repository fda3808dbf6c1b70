import { idPattern, sha256Pattern } from './ids.ts';
import type { MessageKind } from './messages.ts';

const root = 'prestacop/v1';
const id = new RegExp(idPattern);
const sha256 = new RegExp(sha256Pattern);

/** A parsed MQTT topic `prestacop/v1/{fleet}/{droneId}/{kind}`; pictures have their id as one more level. */
export interface Topic {
  fleet: string;
  droneId: string;
  kind: string;
  imageId?: string;
}

/** The inverse of `parseTopic`. */
export function encodeTopic({ fleet, droneId, kind, imageId }: Topic): string {
  return `${root}/${fleet}/${droneId}/${kind}${imageId === undefined ? '' : `/${imageId}`}`;
}

/** The topic's parts, or undefined for a topic that is not ours. The kind is not looked up; an image id is 64 hex digits. */
export function parseTopic(topic: string): Topic | undefined {
  const levels = topic.split('/');
  const [product, version, fleet, droneId, kind, imageId] = levels;
  if (levels.length < 5 || levels.length > 6 || `${product}/${version}` !== root) return undefined;
  if (!id.test(fleet!) || !id.test(droneId!) || !id.test(kind!)) return undefined;
  if (imageId !== undefined && !sha256.test(imageId)) return undefined;
  return imageId === undefined
    ? { fleet: fleet!, droneId: droneId!, kind: kind! }
    : { fleet: fleet!, droneId: droneId!, kind: kind!, imageId };
}

/** The topic as documents write it, with `{fleet}`, `{droneId}` and `{imageId}` in place of values. */
export function topicTemplate({ kind, content }: Pick<MessageKind, 'kind' | 'content'>): string {
  return `${root}/{fleet}/{droneId}/${kind}${content === 'picture' ? '/{imageId}' : ''}`;
}
