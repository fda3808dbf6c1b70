import { isArchiveMark } from './record.ts';
import { batchHeadBytes, decodeBatch, readHead, type Taking } from './segment-codec.ts';

const markBlockMaxBytes = 256;

/** Whether a well-formed block, stamped or not, holds one mark of the archive and nothing else. */
export function isMarkBlock(block: Uint8Array): boolean {
  if (block.byteLength > markBlockMaxBytes) return false;
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const head = readHead(bytes, 0);
  if (head === undefined || head.count !== 1 || batchHeadBytes + head.bodyBytes !== bytes.length) return false;
  const taking: Taking = { from: 0, to: 1, bytes: 0, maxBytes: markBlockMaxBytes, records: [] };
  decodeBatch(bytes, 0, { ...head, firstOffset: 0 }, taking);
  return isArchiveMark(taking.records[0]!);
}
