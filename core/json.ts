/** The value in JSON text or its UTF-8 bytes, or undefined for what is no JSON. */
export function parseJson(json: string | Uint8Array): unknown {
  try {
    return JSON.parse(
      typeof json === 'string' ? json : Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString(),
    );
  } catch {
    return undefined;
  }
}
