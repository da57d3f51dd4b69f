/**
 * A labelled answer from its safetensors bytes: 8 bytes of little-endian header length, a JSON
 * header, then the arrays. Dims, text and attributes ride in the header's `limelight` entry.
 */
import { SCHEMA_VERSION } from "../contract.ts";

export type Numbers =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array;

export type Attrs = Readonly<Record<string, unknown>>;

/** Nested lists of text, as deep as the variable has dims. */
export type Text = string | readonly Text[];

export interface Variable {
  readonly dims: readonly string[];
  readonly shape: readonly number[];
  /** Row-major values; empty for text. Booleans are 0 or 1; float16 arrives as exact float32. */
  readonly data: Numbers;
  readonly text: Text | null;
  readonly coord: boolean;
  readonly attrs: Attrs;
}

export interface Answer {
  readonly attrs: Attrs;
  readonly variables: Readonly<Record<string, Variable>>;
}

interface Entry {
  dims: string[];
  coord: boolean;
  attrs: Record<string, unknown>;
  text?: Text;
}

interface Tensor {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Decode one answer; throws an Error that says what is wrong with the bytes. */
export function decode(bytes: ArrayBuffer): Answer {
  const head = readHeader(bytes);
  const base = 8 + head.length;
  const variables: Record<string, Variable> = {};
  for (const [name, entry] of Object.entries(head.variables)) {
    const common = { dims: entry.dims, coord: entry.coord, attrs: entry.attrs };
    if (entry.text !== undefined) {
      const text = entry.text;
      variables[name] = { ...common, shape: textShape(text), data: new Uint8Array(0), text };
      continue;
    }
    const tensor = head.tensors[name];
    if (!tensor) throw new Error(`The answer announces "${name}" but holds no such array.`);
    const [start, end] = tensor.data_offsets;
    const data = values(tensor.dtype, bytes, base + start, base + end);
    variables[name] = { ...common, shape: tensor.shape, data, text: null };
  }
  return { attrs: head.attrs, variables };
}

/** Every buffer an answer holds, each once: what a worker hands over without a copy. */
export function buffers(answer: Answer): ArrayBuffer[] {
  const all = new Set<ArrayBuffer>();
  for (const variable of Object.values(answer.variables)) {
    all.add(variable.data.buffer as ArrayBuffer);
  }
  return [...all];
}

function readHeader(bytes: ArrayBuffer): {
  length: number;
  tensors: Record<string, Tensor>;
  variables: Record<string, Entry>;
  attrs: Attrs;
} {
  if (bytes.byteLength < 8) throw new Error("The answer is too short to be safetensors.");
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  if (length > bytes.byteLength - 8) throw new Error("The answer's header is cut off.");
  const json = new TextDecoder().decode(new Uint8Array(bytes, 8, length));
  const { __metadata__: metadata, ...tensors } = JSON.parse(json);
  if (!metadata?.limelight) throw new Error("The answer lacks its limelight header.");
  const labels = JSON.parse(metadata.limelight);
  if (labels.schema > SCHEMA_VERSION) {
    throw new Error(
      `The answer has schema ${labels.schema}; this page reads up to ${SCHEMA_VERSION}. Reload the page.`,
    );
  }
  return { length, tensors, variables: labels.variables, attrs: labels.attrs };
}

function textShape(text: Text): number[] {
  const shape: number[] = [];
  let level: Text | undefined = text;
  while (Array.isArray(level)) {
    shape.push(level.length);
    level = level[0];
  }
  return shape;
}

type Maker = new (buffer: ArrayBuffer, offset: number, length: number) => Numbers;

const MAKERS: Readonly<Record<string, readonly [Maker, number]>> = {
  BOOL: [Uint8Array, 1],
  U8: [Uint8Array, 1],
  I8: [Int8Array, 1],
  U16: [Uint16Array, 2],
  I16: [Int16Array, 2],
  U32: [Uint32Array, 4],
  I32: [Int32Array, 4],
  F32: [Float32Array, 4],
  F64: [Float64Array, 8],
};

function values(dtype: string, bytes: ArrayBuffer, start: number, end: number): Numbers {
  if (dtype === "F16") return halves(values("U16", bytes, start, end) as Uint16Array);
  const maker = MAKERS[dtype];
  if (!maker) throw new Error(`The answer holds an array of type ${dtype}, which is not known.`);
  const [Maker, size] = maker;
  if (start % size === 0) return new Maker(bytes, start, (end - start) / size);
  return new Maker(bytes.slice(start, end), 0, (end - start) / size);
}

let halfTable: Float32Array | null = null;

/** Float16 bit patterns as the float32 numbers they stand for, exactly. */
export function halves(bits: Uint16Array): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, index) => half(index));
  const table = halfTable;
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i] as number] as number;
  return out;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
