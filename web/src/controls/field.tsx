/** A named choice among a few. */
interface FieldProps<T extends string> {
  name: string;
  hint?: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChoose: (value: T) => void;
}

export function Field<T extends string>({ name, hint, value, options, onChoose }: FieldProps<T>) {
  return (
    <label class="field" title={hint}>
      <span>{name}</span>
      <select value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
