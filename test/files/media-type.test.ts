import t from 'tap'
import { mediaType } from '../../dist/files/media-type.js'
import { x } from '../fixtures/zz-probe.ts'

t.equal(mediaType('a.png'), 'image/png')
t.equal(x, 1)
