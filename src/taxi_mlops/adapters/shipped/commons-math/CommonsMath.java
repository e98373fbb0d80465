// Commons Math's DBSCANClusterer behind the protocol of taxi-mlops: lines of JSON on standard input and output.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.commons.math3.ml.clustering.Cluster;
import org.apache.commons.math3.ml.clustering.Clusterable;
import org.apache.commons.math3.ml.clustering.DBSCANClusterer;

public final class CommonsMath {
    /** A point: its latitude and longitude in radians, the cosine of its latitude, and its index. */
    record Place(int index, double[] coordinates) implements Clusterable {
        @Override
        public double[] getPoint() {
            return coordinates;
        }

        // The clusterer finds visited points in a hash map, in which points at one place must stay apart.
        @Override
        public boolean equals(Object other) {
            return this == other;
        }

        @Override
        public int hashCode() {
            return index;
        }
    }

    private static List<Place> places = List.of();
    private static int[] neighbours = new int[0];
    private static double radians;
    private static int minPts;

    private CommonsMath() {}

    public static void main(String[] args) throws IOException {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            String answer;
            try {
                answer = answer(line);
            } catch (Exception | OutOfMemoryError error) {
                error.printStackTrace();
                String message = error.toString().replaceAll("[^ !#-\\[\\]-~]", " ");
                answer = "{\"is\": \"error\", \"message\": \"" + message + "\"}";
            }
            answers.println(answer);
        }
    }

    private static String answer(String line) throws IOException {
        switch (value(line, "do")) {
            case "hello":
                return "{\"is\": \"hello\", \"protocol\": 1, \"version\": \"" + version() + "\"}";
            case "prepare":
                prepare(line);
                return "{\"is\": \"ready\"}";
            case "fit":
                fit(Path.of(value(line, "labels")), Path.of(value(line, "core")));
                return "{\"is\": \"done\", \"core\": true}";
            default:
                throw new IllegalArgumentException("unknown request");
        }
    }

    /** The version that the library's own jar states. */
    private static String version() {
        return DBSCANClusterer.class.getPackage().getImplementationVersion();
    }

    private static void prepare(String line) throws IOException {
        byte[] bytes = Files.readAllBytes(Path.of(value(line, "points")));
        DoubleBuffer degrees = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer();
        List<Place> read = new ArrayList<>();
        for (int i = 0; 2 * i < degrees.limit(); i++) {
            double latitude = Math.toRadians(degrees.get(2 * i));
            double longitude = Math.toRadians(degrees.get(2 * i + 1));
            read.add(new Place(i, new double[] {latitude, longitude, Math.cos(latitude), i}));
        }
        places = read;
        radians = Double.parseDouble(value(line, "eps_metres")) / Double.parseDouble(value(line, "earth_radius_metres"));
        // Commons Math does not count the point itself.
        minPts = Integer.parseInt(value(line, "min_samples")) - 1;
    }

    private static void fit(Path file, Path flags) throws IOException {
        neighbours = new int[places.size()];
        int[] labels = new int[places.size()];
        Arrays.fill(labels, -1);
        int number = 0;
        DBSCANClusterer<Place> clusterer = new DBSCANClusterer<>(radians, minPts, CommonsMath::counted);
        for (Cluster<Place> cluster : clusterer.cluster(places)) {
            for (Place place : cluster.getPoints()) {
                labels[place.index()] = number;
            }
            number++;
        }
        ByteBuffer bytes = ByteBuffer.allocate(4 * labels.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(labels);
        Files.write(file, bytes.array());
        byte[] core = new byte[labels.length];
        for (int i = 0; i < core.length; i++) {
            core[i] = (byte) (neighbours[i] >= minPts ? 1 : 0);
        }
        Files.write(flags, core);
    }

    /**
     * The distance, and a count: Commons Math does not report core points, but it asks once for each point, the second
     * argument, how far all others are.
     */
    private static double counted(double[] other, double[] point) {
        double distance = haversine(other, point);
        if (distance <= radians) {
            neighbours[(int) point[3]]++;
        }
        return distance;
    }

    private static double haversine(double[] one, double[] other) {
        double north = Math.sin((one[0] - other[0]) / 2);
        double east = Math.sin((one[1] - other[1]) / 2);
        return 2 * Math.asin(Math.min(1.0, Math.sqrt(north * north + one[2] * other[2] * east * east)));
    }

    /** The value of a key: requests are one flat object with texts and numbers. */
    private static String value(String line, String key) {
        Matcher found = Pattern.compile("\"" + key + "\": (?:\"((?:[^\"\\\\]|\\\\.)*)\"|([^,}]+))").matcher(line);
        if (!found.find()) {
            throw new IllegalArgumentException("no " + key);
        }
        return found.group(1) == null ? found.group(2) : found.group(1).replaceAll("\\\\(.)", "$1");
    }
}
