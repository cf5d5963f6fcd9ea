/**
 * The shape of a JSON payload, without parsing it. To parse 64 KiB of brackets or of names takes milliseconds, and all
 * the others would wait for it. To count takes a tenth of a millisecond at most.
 */
import { MAX_COMMAS, MAX_NESTING } from './limits.js'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** False if `json` is nested too deep or has too many commas. It need not be JSON. */
export function isSimple(json: Uint8Array): boolean {
  let [depth, commas, isText] = [0, 0, false]
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (isText) {
      if (byte === QUOTE) isText = false
      // What follows is no end of the text.
      else if (byte === BACKSLASH) at++
    } else if (byte === QUOTE) isText = true
    else if (byte === COMMA) commas++
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
    if (depth > MAX_NESTING || commas > MAX_COMMAS) return false
  }
  return true
}
