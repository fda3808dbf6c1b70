import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../core/errors.ts';
import { selectStages, stageNames } from '../selection.ts';

test('no word starts every stage, words start those named', () => {
  assert.deepEqual([...selectStages([])], [...stageNames]);
  assert.deepEqual([...selectStages(['broker', 'bridge', 'archive'])], ['broker', 'bridge', 'archive']);
  assert.deepEqual([...selectStages(['edge'])], ['edge']);
});

test('a selection that cannot work is refused with the reason', () => {
  for (const words of [['bridge'], ['broker', 'archive'], ['edge', 'bridge']]) {
    assert.throws(
      () => selectStages(words),
      error => hasCode(error, 'START_SELECTION') && /add "(bridge|broker)"/.test(error.message),
    );
  }
  assert.throws(
    () => selectStages(['brigde']),
    error => hasCode(error, 'START_UNKNOWN_STAGE') && /edge, broker, bridge, archive/.test(error.message),
  );
});
