import t from 'tap'
import { isCompressedType, isTypePattern, mediaType, typeMatches, UNKNOWN_TYPE } from '../dist/media-type.js'

t.test('knows the type by the extension, whatever its case', async (t) => {
  t.equal(mediaType('photo.png'), 'image/png')
  t.equal(mediaType('PHOTO.PNG'), 'image/png')
  t.equal(mediaType('notes.txt'), 'text/plain')
  t.equal(mediaType('archive.tar.gz'), 'application/gzip')
})

t.test('calls everything else a stream of bytes', async (t) => {
  for (const name of ['README', 'file.no-such-extension', 'file.', '', 'x.constructor', 'x.__proto__']) {
    t.equal(mediaType(name), UNKNOWN_TYPE, JSON.stringify(name))
  }
})

t.test('does not take a name without an extension for an extension', async (t) => {
  for (const name of ['png', 'json', 'html', '.png']) t.equal(mediaType(name), UNKNOWN_TYPE, name)
})

t.test('tells a pattern from other text', async (t) => {
  for (const pattern of ['image/png', 'image/*', '*/*', 'application/vnd.a.b+json', 'x-a/y_b.c']) {
    t.equal(isTypePattern(pattern), true, pattern)
  }
  for (const text of [
    '',
    'image',
    'image/',
    '/png',
    '*',
    '*/png',
    'image/p*',
    'text/plain; charset=utf-8',
    'a/b/c',
    'a/b\n',
  ]) {
    t.equal(isTypePattern(text), false, JSON.stringify(text))
  }
})

t.test('matches a type by itself, by its family or by everything, in any case', async (t) => {
  t.equal(typeMatches('image/png', ['image/png']), true)
  t.equal(typeMatches('Image/PNG', ['image/png']), true)
  t.equal(typeMatches('image/png', ['IMAGE/*']), true)
  t.equal(typeMatches('image/png', ['*/*']), true)
  t.equal(typeMatches('image/png', ['text/plain', 'image/*']), true)
})

t.test('does not match another type, a longer one, or nothing', async (t) => {
  t.equal(typeMatches('image/png', ['image/jpeg']), false)
  t.equal(typeMatches('image/png+xml', ['image/png']), false)
  t.equal(typeMatches('imagery/png', ['image/*']), false)
  t.equal(typeMatches('image/png', ['text/*']), false)
  t.equal(typeMatches('image/png', []), false)
})

t.test('knows what is compressed already', async (t) => {
  const yes =
    'zip gz bz2 xz 7z rar deb rpm apk jar docx xlsx odt epub pdf woff2 jpg png gif webp avif heic mp3 ogg mp4 mkv'
  for (const extension of yes.split(' ')) t.equal(isCompressedType(mediaType(`x.${extension}`)), true, extension)
  const no = 'txt js json html css svg bmp wav aiff mid tar wasm sqlite img iso xml csv doc psd'
  for (const extension of no.split(' ')) t.equal(isCompressedType(mediaType(`x.${extension}`)), false, extension)
})
