import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packParts } from '../pack-parts.ts';

test('the parts of a pack are the pack, and each picture that it still holds lies whole in exactly one', () => {
  const lengths = fc.array(fc.record({ length: fc.integer({ min: 1, max: 30 }), gap: fc.integer({ min: 0, max: 3 }) }));
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 20 }), (drafts, partBytes, cut) => {
      let end = 0;
      const pictures = drafts.map(({ length, gap }) => {
        const position = end + gap;
        end = position + length;
        return { position, length };
      });
      const packBytes = Math.max(0, end - cut);
      const parts = [...packParts(pictures, packBytes, partBytes)];
      let at = 0;
      for (const part of parts) {
        assert.equal(part.start, at);
        assert.ok(part.end > part.start);
        assert.ok(part.end - part.start <= partBytes || part.pictures.length === 1);
        for (const { position, length } of part.pictures) {
          assert.ok(position >= part.start && position + length <= part.end);
        }
        at = part.end;
      }
      assert.equal(at, packBytes);
      const held = pictures.filter(({ position, length }) => position + length <= packBytes && packBytes > 0);
      assert.deepEqual(
        parts.flatMap(part => part.pictures),
        held,
      );
    }),
  );
});
