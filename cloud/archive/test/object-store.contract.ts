import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import type { ObjectStore } from '../object-store.ts';
import { temporaryFolder } from './archive-scene.ts';

/** Opens an empty store; each call of `again` opens the same one once more, as another process would. */
export type OpenForContract = (t: TestContext) => Promise<{ store: ObjectStore; again: () => Promise<ObjectStore> }>;

const code = (expected: string) => (error: unknown) => hasCode(error, expected);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

async function listed(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** The suite that every adapter of the object store passes. Keys lie in `archive/` and `manifest/`. */
export function objectStoreContract(name: string, open: OpenForContract): void {
  describe(`object store contract: ${name}`, () => {
    it('gives back what was put, bytes or a file, and leaves the file as it was', async t => {
      const { store, again } = await open(t);
      const bytes = randomBytes(100_000);
      const path = join(await temporaryFolder(t), 'source');
      await writeFile(path, bytes);
      await store.put('archive/a/bytes', bytes);
      await store.put('archive/a/file', { path });
      await writeFile(path, 'changed afterwards');
      for (const reader of [store, await again()]) {
        assert.deepEqual(Buffer.from(await reader.get('archive/a/bytes')), bytes);
        assert.deepEqual(Buffer.from(await reader.get('archive/a/file')), bytes);
      }
    });

    it('takes a file that the caller gives away, and refuses it where the key is taken', async t => {
      const { store, again } = await open(t);
      const path = join(await temporaryFolder(t), 'source');
      for (const [key, bytes] of [
        ['archive/a/first', randomBytes(100_000)],
        ['archive/b/second', new Uint8Array(0)],
      ] as const) {
        await writeFile(path, bytes);
        await store.put(key, { path, consumed: true });
        await rm(path, { force: true });
        assert.deepEqual(Buffer.from(await (await again()).get(key)), Buffer.from(bytes));
      }
      await writeFile(path, 'other');
      await assert.rejects(store.put('archive/b/second', { path, consumed: true }), code('OBJECTS_EXISTS'));
      assert.equal((await store.get('archive/b/second')).length, 0);
    });

    it('removes an object, and says nothing where there is none', async t => {
      const { store, again } = await open(t);
      await store.put('archive/a/1', Buffer.from('1'));
      await store.put('archive/a/2', Buffer.from('2'));
      await Promise.all([store.remove('archive/a/1'), (await again()).remove('archive/a/1')]);
      await store.remove('archive/a/1');
      await store.remove('archive/never/there');
      await assert.rejects((await again()).get('archive/a/1'), code('OBJECTS_NOT_FOUND'));
      assert.deepEqual(await listed(store, 'archive/'), ['archive/a/2']);
      await store.put('archive/a/1', Buffer.from('again'));
      assert.equal(text(await store.get('archive/a/1')), 'again');
    });

    it('never replaces an object', async t => {
      const { store, again } = await open(t);
      await store.put('archive/one', Buffer.from('first'));
      await assert.rejects(store.put('archive/one', Buffer.from('second')), code('OBJECTS_EXISTS'));
      await assert.rejects((await again()).put('archive/one', Buffer.from('first')), code('OBJECTS_EXISTS'));
      assert.equal(text(await store.get('archive/one')), 'first');
    });

    it('lets exactly one of many racing puts win, and all readers see its bytes', async t => {
      const { store, again } = await open(t);
      const stores = [store, await again(), await again()];
      for (let round = 0; round < 5; round++) {
        const key = `archive/race/${round}`;
        const results = await Promise.allSettled(
          Array.from({ length: 24 }, (_, index) => stores[index % 3]!.put(key, Buffer.from(`${index}`.repeat(5000)))),
        );
        const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
        assert.equal(winners.length, 1);
        for (const result of results) {
          if (result.status === 'rejected') assert.ok(hasCode(result.reason, 'OBJECTS_EXISTS'), String(result.reason));
        }
        for (const reader of stores) assert.equal(text(await reader.get(key)), `${winners[0]}`.repeat(5000));
      }
    });

    it('never shows a part of an object', async t => {
      const { store, again } = await open(t);
      const reader = await again();
      const bytes = randomBytes(8 * 1024 * 1024);
      let settled = false;
      const putting = store.put('archive/large/one', bytes).finally(() => {
        settled = true;
      });
      let looks = 0;
      while (!settled) {
        for await (const { key, bytes: size } of reader.list('archive/')) {
          assert.deepEqual([key, size], ['archive/large/one', bytes.length]);
        }
        const found = await reader.get('archive/large/one').catch(error => {
          assert.ok(hasCode(error, 'OBJECTS_NOT_FOUND'));
        });
        if (found !== undefined) assert.equal(Buffer.compare(found, bytes), 0);
        looks++;
      }
      await putting;
      assert.ok(looks > 0);
    });

    it('stores the empty and the largest object', async t => {
      const { store } = await open(t);
      await store.put('archive/empty', new Uint8Array(0));
      assert.equal((await store.get('archive/empty')).length, 0);
      const largest = Buffer.alloc(64 * 1024 * 1024, 'largest');
      await store.put('archive/largest', largest);
      assert.equal(Buffer.compare(await store.get('archive/largest'), largest), 0);
    });

    it('gives a range of bytes, and less where the object ends before it', async t => {
      const { store } = await open(t);
      await store.put('archive/ten', Buffer.from('0123456789'));
      const range = async (start: number, end: number) => text(await store.get('archive/ten', { start, end }));
      assert.equal(await range(0, 10), '0123456789');
      assert.equal(await range(3, 5), '34');
      assert.equal(await range(9, 10), '9');
      assert.equal(await range(4, 4), '');
      assert.equal(await range(8, 99), '89');
    });

    it('lists keys below a prefix in ascending order of their bytes, with sizes', async t => {
      const { store } = await open(t);
      const keys = [
        'archive/a-b/1',
        'archive/a/2',
        'archive/a/10',
        'archive/a/dt=2026-11-25/p0',
        'archive/a.json',
        'archive/ab',
        'archive/é',
        'archive/\u{1f681}',
        'archive/\uff5e',
        'manifest/a/1',
      ];
      for (const key of keys) await store.put(key, Buffer.from(key));
      const order = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.deepEqual(await listed(store, ''), order);
      assert.deepEqual(
        await listed(store, 'archive/'),
        order.filter(key => key.startsWith('archive/')),
      );
      assert.deepEqual(
        await listed(store, 'archive/a/'),
        order.filter(key => key.startsWith('archive/a/')),
      );
      assert.deepEqual(await listed(store, 'archive/none/'), []);
      for await (const { key, bytes } of store.list('')) assert.equal(bytes, Buffer.byteLength(key));
    });

    it('takes odd keys and refuses those that are none', async t => {
      const { store } = await open(t);
      const odd = ['archive/a b', "archive/it's", 'archive/dt=1/%2F', 'archive/.hidden', `archive/${'x'.repeat(255)}`];
      for (const key of odd) {
        await store.put(key, Buffer.from(key));
        assert.equal(text(await store.get(key)), key);
      }
      const bad = [
        '',
        '/archive/a',
        'archive//a',
        'archive/',
        'archive/../a',
        'archive/./a',
        'archive/a\0',
        'archive/a\\b',
      ];
      for (const key of [...bad, `archive/${'x'.repeat(256)}`, `archive/${'é'.repeat(128)}`]) {
        await assert.rejects(store.put(key, Buffer.from('x')), code('OBJECTS_BAD_KEY'), key);
        await assert.rejects(store.get(key), code('OBJECTS_BAD_KEY'), key);
        await assert.rejects(store.remove(key), code('OBJECTS_BAD_KEY'), key);
      }
      await assert.rejects(listed(store, 'archive'), code('OBJECTS_BAD_KEY'));
    });

    it('says so when there is no such object', async t => {
      const { store } = await open(t);
      await store.put('archive/a/b', Buffer.from('x'));
      for (const key of ['archive/none', 'archive/a/c', 'manifest/a/b']) {
        await assert.rejects(store.get(key), code('OBJECTS_NOT_FOUND'));
      }
    });

    it('shows an engine the object’s own bytes where it can', async t => {
      const { store } = await open(t);
      await store.put('archive/a/b', Buffer.from('x'));
      const located = store.locate('archive/a/b');
      assert.ok(located === undefined || located.length > 0);
    });
  });
}
